package xz

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc64"
	"io"
	"sync"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/lzma2"
)

// blockSize is how much of the disk goes into each block of a file, in bytes:
// what "xz -T2 -6" takes as well. Smaller blocks compress worse.
const blockSize = lzma2.DictSize

// A File is what a Writer writes to, and reads from again.
type File interface {
	io.Writer
	io.ReaderAt
}

// A Writer makes an .xz file of a disk. Encode may be called for several
// pieces at the same time; Append and Zeros then want them in the disk's order.
type Writer struct {
	ctx  context.Context // ends Encode
	file File

	end     int64 // of what was written, bytes
	records []record
	zeros   block.ZeroPieces

	mu      sync.Mutex
	idle    []*encoder
	written map[[sha256.Size]byte]place // by the digest of what is packed there
}

// An encoder packs one piece at a time.
type encoder struct {
	lzma2 lzma2.Encoder
	data  [blockSize]byte
}

// A place is where the data of a block are in the file.
type place struct {
	off  int64
	size int
}

// NewWriter begins a file.
func NewWriter(ctx context.Context, f File) (*Writer, error) {
	w := &Writer{
		ctx:     ctx,
		file:    f,
		zeros:   block.ZeroPieces{},
		written: map[[sha256.Size]byte]place{},
	}
	return w, w.write(streamHeader())
}

// Blocks is how many blocks a piece has.
func (w *Writer) Blocks() int { return blockSize / block.Size }

// Encode makes a block of the file out of the piece. It leaves in p.Out,
// divided by p.Ends: the packed data; their padding and check; the digest of
// what was packed.
func (w *Writer) Encode(p *block.Piece) error {
	digest := sha256.New()
	check := crc64.New(ecma)
	e := w.take()
	defer w.put(e)
	data := e.data[:p.Size]
	if _, err := io.ReadFull(io.TeeReader(p.Reader(), io.MultiWriter(digest, check)), data); err != nil {
		return err
	}
	p.Release()
	sum := [sha256.Size]byte(digest.Sum(nil))
	w.mu.Lock()
	at, seen := w.written[sum]
	w.mu.Unlock()
	var err error
	if seen {
		p.Out = append(p.Out[:0], make([]byte, at.size)...)
		_, err = w.file.ReadAt(p.Out, at.off)
	} else {
		p.Out, err = e.lzma2.Encode(w.ctx, p.Out[:0], data)
	}
	if err != nil {
		return err
	}
	packed := len(p.Out)
	p.Out = append(p.Out, make([]byte, -packed&3)...)
	p.Out = binary.LittleEndian.AppendUint64(p.Out, check.Sum64())
	p.Ends = append(p.Ends[:0], packed, len(p.Out))
	p.Out = append(p.Out, sum[:]...)
	return nil
}

// take returns an encoder that nobody uses. A sync.Pool would forget some now and
// then, and those have 45 MiB until they are collected.
func (w *Writer) take() *encoder {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.idle) == 0 {
		return new(encoder)
	}
	e := w.idle[len(w.idle)-1]
	w.idle = w.idle[:len(w.idle)-1]
	return e
}

func (w *Writer) put(e *encoder) {
	w.mu.Lock()
	w.idle = append(w.idle, e)
	w.mu.Unlock()
}

// Append writes an encoded piece.
func (w *Writer) Append(p *block.Piece) error {
	packed, end := p.Ends[0], p.Ends[1]
	header := blockHeader(packed, p.Size)
	if err := w.write(header); err != nil {
		return err
	}
	at := place{w.end, packed}
	if err := w.write(p.Out[:end]); err != nil {
		return err
	}
	w.records = append(w.records, record{int64(len(header) + packed + crc64.Size), int64(p.Size)})
	w.mu.Lock()
	w.written[[sha256.Size]byte(p.Out[end:])] = at
	w.mu.Unlock()
	return nil
}

// Zeros appends n bytes of zeros, which are packed once for the whole disk.
func (w *Writer) Zeros(n int64) error { return w.zeros.Append(w, n) }

func (w *Writer) write(data []byte) error {
	n, err := w.file.Write(data)
	w.end += int64(n)
	return err
}

// Close writes the index and the end of the stream. It does not close the file.
func (w *Writer) Close() error {
	index := index(w.records)
	if err := w.write(index); err != nil {
		return err
	}
	return w.write(streamFooter(len(index)))
}
