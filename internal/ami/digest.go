package ami

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/raw"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
)

var manyZeros [256 << 10]byte

// digest is the SHA-256 of a disk, hexadecimal. Holes are not read.
func digest(ctx context.Context, disk source.Disk, rep *report.Report) (string, error) {
	task := rep.Task("taking the disk's SHA-256", disk.Size(), report.Bytes)
	defer task.Drop()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < disk.Size(); {
		start, end, err := disk.Extent(off)
		if err != nil {
			return "", err
		}
		if err := hashZeros(ctx, h, max(start, off)-off, task); err != nil {
			return "", err
		}
		for off = max(start, off); off < end; {
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			part := buf[:min(int64(len(buf)), end-off)]
			if _, err := io.ReadFull(io.NewSectionReader(disk, off, int64(len(part))), part); err != nil {
				return "", fmt.Errorf("reading the disk at byte %d: %w", off, err)
			}
			h.Write(part)
			task.Add(int64(len(part)))
			off += int64(len(part))
		}
	}
	task.Done()
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashZeros(ctx context.Context, h hash.Hash, n int64, task *report.Task) error {
	for n > 0 {
		part := min(n, int64(len(manyZeros)))
		h.Write(manyZeros[:part])
		task.Add(part)
		n -= part
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// file is the SHA-256 of the file that the disk is in, hexadecimal.
func (d *Disk) file(ctx context.Context) (string, error) {
	_, plain := d.Disk.(*raw.Reader)
	if info, err := os.Stat(d.Path); err == nil && plain && info.Size() == d.Size() {
		return d.SHA256, nil // the file is the disk
	}
	return manifest.Digest(ctx, d.Path)
}

// watch makes sure that what is published is what the manifest describes: it
// takes the file's SHA-256 while the file is uploaded, if there is one to
// compare it with, and sees whether the file is changed meanwhile. The
// function it returns gives the verdict.
func watch(ctx context.Context, path, want string) (check func(context.Context) error, stop func()) {
	ctx, stop = context.WithCancel(ctx)
	before, statErr := os.Stat(path)
	done := make(chan error, 1)
	go func() { done <- verify(ctx, path, want) }()
	check = func(ctx context.Context) error {
		if statErr != nil {
			return statErr
		}
		select {
		case err := <-done:
			done <- err // for who asks again
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		after, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
			return hint.Wrap(fmt.Errorf("%s was changed while it was uploaded", path), "run it again when nothing writes to it any more")
		}
		return nil
	}
	return check, stop
}

// verify checks the SHA-256 of a file; of nothing to compare with it is nil.
func verify(ctx context.Context, path, want string) error {
	if want == "" {
		return nil
	}
	sum, err := manifest.Digest(ctx, path)
	if err == nil && sum != want {
		err = hint.Wrap(fmt.Errorf("%s is not the file that its manifest describes: its SHA-256 is %s, not %s", path, sum, want), "run the pipe again from img-build or img-convert on")
	}
	return err
}
