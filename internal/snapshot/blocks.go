package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
	"golang.org/x/sync/errgroup"
)

var zeros [BlockSize]byte

// A block is on its way from the disk to AWS.
type block struct {
	index int32
	data  *[BlockSize]byte
	read  bool // data is what the disk has there
}

// blocks writes those blocks that the journal does not know of.
func (w *Writer) blocks(ctx context.Context, j *journal) error {
	task := w.Report.Task(w.Region.Name+": "+j.snapshot, w.amount(j), report.Bytes)
	defer task.Drop()
	free := make(chan *[BlockSize]byte, w.Workers+2)
	for range cap(free) {
		free <- nil // allocated when it is needed
	}
	work := make(chan block)
	pace := new(pacer)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(work)
		return w.feed(ctx, j, free, work, task)
	})
	for range w.Workers {
		group.Go(func() error {
			for b := range work {
				if err := w.block(ctx, j, b, pace); err != nil {
					return err
				}
				task.Add(BlockSize)
				free <- b.data
			}
			return nil
		})
	}
	err := group.Wait()
	if err == nil {
		task.Done()
	}
	return err
}

// amount is how many bytes there are to write, blocks that turn out to be zero included.
func (w *Writer) amount(j *journal) int64 {
	n := int64(0)
	for _, err := range w.indexes(j.encrypted) {
		if err != nil {
			return 0
		}
		n += BlockSize
	}
	return n
}

// indexes are the blocks that may hold something, or, where zeros have to be
// written as well, all. What is not written of an encrypted snapshot is no
// zeros to who reads it.
func (w *Writer) indexes(all bool) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		if all {
			for i := range w.GiB() << 30 / BlockSize {
				if !yield(int32(i), nil) {
					return
				}
			}
			return
		}
		for off := int64(0); off < w.Disk.Size(); {
			start, end, err := w.Disk.Extent(off)
			if err != nil {
				yield(0, err)
				return
			}
			if start >= w.Disk.Size() {
				return
			}
			i := max(start, off) / BlockSize
			for ; i*BlockSize < end; i++ {
				if !yield(int32(i), nil) {
					return
				}
			}
			off = i * BlockSize
		}
	}
}

// feed hands the missing blocks to the workers. A disk that must be read in
// order it reads itself.
func (w *Writer) feed(ctx context.Context, j *journal, free chan *[BlockSize]byte, work chan<- block, task *report.Task) error {
	_, ordered := w.Disk.(source.Ascending)
	if f, ok := w.Disk.(*source.File); ok {
		_, ordered = f.Disk.(source.Ascending)
	}
	for i, err := range w.indexes(j.encrypted) {
		if err != nil {
			return err
		}
		if j.has(i) {
			task.Add(BlockSize)
			continue
		}
		b := block{index: i}
		select {
		case b.data = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.data == nil {
			b.data = new([BlockSize]byte)
		}
		if ordered {
			if err := w.read(&b); err != nil {
				return err
			}
		}
		select {
		case work <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// read fills a block from the disk; behind the disk's end it is zeros.
func (w *Writer) read(b *block) error {
	off := int64(b.index) * BlockSize
	n := int(max(0, min(BlockSize, w.Disk.Size()-off)))
	if _, err := io.ReadFull(io.NewSectionReader(w.Disk, off, int64(n)), b.data[:n]); err != nil {
		return fmt.Errorf("reading the disk at byte %d: %w", off, err)
	}
	clear(b.data[n:])
	b.read = true
	return nil
}

// block brings one block to AWS, unless it is zeros that nobody needs.
func (w *Writer) block(ctx context.Context, j *journal, b block, pace *pacer) error {
	if !b.read {
		if err := w.read(&b); err != nil {
			return err
		}
	}
	if !j.encrypted && bytes.Equal(b.data[:], zeros[:]) {
		return nil
	}
	sum := sha256.Sum256(b.data[:])
	if err := w.put(ctx, j.snapshot, b, sum, pace); err != nil {
		return err
	}
	return j.add(b.index, sum)
}

// spoilt is how often a block may arrive as another one.
const spoilt = 5

// put writes one block. AWS tells the digest of what it got.
func (w *Writer) put(ctx context.Context, id string, b block, sum [sha256.Size]byte, pace *pacer) error {
	what := fmt.Sprintf("writing block %d of snapshot %s", b.index, id)
	text := base64.StdEncoding.EncodeToString(sum[:])
	for try := 1; ; try++ {
		out, err := account.Call(ctx, w.Region, what, func(ctx context.Context) (*ebs.PutSnapshotBlockOutput, error) {
			return w.attempt(ctx, id, b, text, pace)
		})
		if err == nil && aws.ToString(out.Checksum) == text {
			return nil
		}
		switch {
		case err == nil:
			err = fmt.Errorf("%s: %s: another block arrived than was sent", w.Region.Name, what)
		case !refused(err):
			return err
		}
		if try == spoilt || account.Code(err) == "ResourceNotFoundException" {
			if refused(err) {
				err = fmt.Errorf("%w: %w", errLost, err)
			}
			return err
		}
	}
}

// attempt sends a block until AWS does not throttle it. When to send it again
// is the pacer's to say: were each block to back off by itself, most workers
// would sleep while AWS has room.
func (w *Writer) attempt(ctx context.Context, id string, b block, sum string, pace *pacer) (*ebs.PutSnapshotBlockOutput, error) {
	var throttle error
	for {
		if err := pace.wait(ctx); err != nil {
			return nil, cmp.Or(throttle, err)
		}
		body := newBody(b.data[:])
		out, err := w.Region.EBS.PutSnapshotBlock(ctx, &ebs.PutSnapshotBlockInput{
			SnapshotId: aws.String(id), BlockIndex: aws.Int32(b.index), BlockData: body, DataLength: aws.Int32(BlockSize),
			Checksum: aws.String(sum), ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
		})
		body.end()
		throttled := err != nil && account.Kind(err) == account.Throttled
		pace.done(time.Now(), err == nil, throttled)
		if !throttled {
			return out, err
		}
		throttle = err
	}
}
