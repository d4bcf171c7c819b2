// Package raw reads and writes raw disks: files that hold a disk byte for
// byte, with holes where it is zero.
package raw

import (
	"fmt"
	"io"
	"os"

	"github.com/respin-project/respin/internal/block"
	"golang.org/x/sys/unix"
)

// A Reader is a raw disk in a file. It may be read by several goroutines.
type Reader struct {
	*os.File
	size int64
}

// NewReader returns the disk in a regular file or block device.
func NewReader(f *os.File) (*Reader, error) {
	size, err := f.Seek(0, io.SeekEnd) // a block device's Stat says 0
	if err != nil {
		return nil, fmt.Errorf("finding the size of %s: %w", f.Name(), err)
	}
	return &Reader{f, size}, nil
}

// Truncate makes the disk end after size bytes of the file, which stays as it is.
func (r *Reader) Truncate(size int64) { r.size = size }

// Size is the disk's, in bytes.
func (r *Reader) Size() int64 { return r.size }

// Extent returns the first run of bytes at or after off that is not a hole,
// or start == end == Size() if there is none. Where the file system knows of
// no holes, everything up to the end is data.
func (r *Reader) Extent(off int64) (start, end int64, err error) {
	fd := int(r.Fd())
	if start, err = unix.Seek(fd, off, unix.SEEK_DATA); err == unix.ENXIO {
		return r.size, r.size, nil
	} else if err == nil {
		end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	}
	if err == unix.EINVAL || err == unix.EOPNOTSUPP || err == unix.ENOTSUP {
		return off, r.size, nil
	} else if err != nil {
		return 0, 0, fmt.Errorf("finding the holes of %s: %w", r.Name(), err)
	}
	return min(start, r.size), min(end, r.size), nil
}

// A File is what a disk is written to.
type File interface {
	io.Writer
	// Skip leaves a hole of n bytes.
	Skip(n int64) error
}

// A Writer writes the disk with holes for its zeros, in pages.
type Writer struct {
	file File
}

// NewWriter begins a raw disk.
func NewWriter(f File) *Writer { return &Writer{file: f} }

// Blocks is how many blocks a piece has.
func (w *Writer) Blocks() int { return 1 }

// Encode has nothing to do.
func (w *Writer) Encode(*block.Piece) error { return nil }

// Append writes the pages of a piece that are not zero.
func (w *Writer) Append(p *block.Piece) error {
	for i, b := range p.Blocks {
		if b == nil {
			if err := w.file.Skip(min(block.Size, int64(p.Size-i*block.Size))); err != nil {
				return err
			}
			continue
		}
		for off := 0; off < len(b.Data); {
			n, zero := b.Run(off)
			var err error
			if zero {
				err = w.file.Skip(int64(n))
			} else {
				_, err = w.file.Write(b.Data[off : off+n])
			}
			if err != nil {
				return err
			}
			off += n
		}
	}
	return nil
}

// Zeros leaves a hole of n bytes.
func (w *Writer) Zeros(n int64) error { return w.file.Skip(n) }

// Close has nothing to do.
func (w *Writer) Close() error { return nil }
