// Package blocktest takes disks through the writers of formats, in memory.
package blocktest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/respin-project/respin/internal/block"
)

// An Encoder is what writers of formats have in common; see convert.Encoder.
type Encoder interface {
	block.Encoder
	Zeros(n int64) error
	Close() error
}

// Write takes the disk through enc.
func Write(t testing.TB, enc Encoder, disk []byte) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pool := block.NewPool(2 * enc.Blocks())
	piece := new(block.Piece)
	for off := 0; off < len(disk); {
		piece.Offset, piece.Size = int64(off), 0
		for range enc.Blocks() {
			if off == len(disk) {
				break
			}
			n := min(block.Size, len(disk)-off)
			b, err := pool.Get(context.Background(), n)
			check(err)
			copy(b.Data, disk[off:])
			if !b.Scan() {
				b.Release()
				b = nil
			}
			piece.Blocks = append(piece.Blocks, b)
			piece.Size += n
			off += n
		}
		if piece.IsZero() {
			check(enc.Zeros(int64(piece.Size)))
		} else {
			check(enc.Encode(piece))
			check(enc.Append(piece))
		}
		piece.Release()
	}
	check(enc.Close())
}

// A File is one in memory.
type File struct{ Data []byte }

func (f *File) Write(p []byte) (int, error) {
	f.Data = append(f.Data, p...)
	return len(p), nil
}

// Skip appends n zeros.
func (f *File) Skip(n int64) error {
	f.Data = append(f.Data, make([]byte, n)...)
	return nil
}

func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(f.Data)) {
		return 0, errors.New("writing beyond the end")
	}
	return copy(f.Data[off:], p), nil
}

func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(f.Data)) {
		return 0, io.EOF
	}
	n := copy(p, f.Data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Disk returns a disk of size bytes with zeros, noise, repetitions and what is
// in between, at positions that are no multiples of anything.
func Disk(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	disk := make([]byte, size)
	for off := 0; off < size; {
		n := min(1+int(r.ExpFloat64()*200_000), size-off)
		part := disk[off : off+n]
		off += n
		switch r.IntN(6) {
		case 0: // noise
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		case 1: // text of few letters
			for i := range part {
				part[i] = "abcdefgh"[r.IntN(8)]
			}
		case 2: // one byte
			b := byte(r.Uint32())
			for i := range part {
				part[i] = b
			}
		case 3: // what stood before, at some distance
			if from := off - n - 1 - r.IntN(100_000); from > 0 {
				for i := range part {
					part[i] = disk[from+i]
				}
			}
		} // otherwise zeros
	}
	return disk
}

// Sizes are of disks that are whole multiples of the formats' units, and just
// not; bytes.
var Sizes = []int{1, 511, 512, 4096, 65535, 65536, 65537, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 12345, 5 << 20}
