package blocktest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// A Reader is what readers of formats have in common; see source.Disk.
type Reader interface {
	Size() int64
	Extent(off int64) (start, end int64, err error)
	io.ReaderAt
}

// CheckReader holds a reader against the disk that it should read: whole, in
// parts, and by its extents, outside of which all is zero.
func CheckReader(t *testing.T, r Reader, disk []byte) {
	t.Helper()
	if r.Size() != int64(len(disk)) {
		t.Fatalf("a disk of %d bytes, want %d", r.Size(), len(disk))
	}
	got := make([]byte, len(disk))
	for off := int64(0); off < r.Size(); {
		start, end, err := r.Extent(off)
		if err != nil {
			t.Fatal(err)
		}
		if start == r.Size() {
			break
		}
		if n, err := r.ReadAt(got[start:end], start); err != nil || int64(n) != end-start {
			t.Fatalf("reading %d bytes at %d: %d, %v", end-start, start, n, err)
		}
		off = end
	}
	if !bytes.Equal(got, disk) {
		t.Fatal("the extents hold another disk")
	}
	for range 50 {
		off := rand.IntN(len(disk))
		part := make([]byte, rand.IntN(200_000))
		n, err := r.ReadAt(part, int64(off))
		if want := min(len(part), len(disk)-off); n != want || n < len(part) != (err == io.EOF) || err != nil && err != io.EOF {
			t.Fatalf("reading %d bytes at %d of %d: %d, %v", len(part), off, len(disk), n, err)
		}
		if !bytes.Equal(part[:n], disk[off:off+n]) {
			t.Fatalf("the %d bytes at %d are others", n, off)
		}
	}
}

// ReadAll returns all of the disk that a reader gives, in parts that are no
// multiple of anything. It takes what the reader's constructor returns.
func ReadAll(r Reader, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	var disk []byte
	buf := make([]byte, 100_001)
	for int64(len(disk)) < r.Size() {
		n, err := r.ReadAt(buf, int64(len(disk)))
		if err != nil && err != io.EOF {
			return nil, err
		}
		disk = append(disk, buf[:n]...)
	}
	return disk, nil
}

// Walk reads a little of each extent of what may be a hostile image, and fails
// the test only where an extent is not possible.
func Walk(t *testing.T, r Reader) {
	buf := make([]byte, 4096)
	for off, i := int64(0), 0; off < r.Size() && i < 100; i++ {
		start, end, err := r.Extent(off)
		if err != nil {
			return
		}
		if start < off || end < start || end > r.Size() {
			t.Fatalf("the extent at %d is %d to %d", off, start, end)
		}
		if end == start {
			break
		}
		if _, err := r.ReadAt(buf, start); err != nil && err != io.EOF {
			return
		}
		off = end
	}
}
