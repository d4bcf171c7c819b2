package packed

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/block/blocktest"
)

// cut divides a disk into parts and counts how often each is opened.
func cut(disk []byte, sizes []int, opened []int) []Part {
	var parts []Part
	off := 0
	for i, n := range sizes {
		data := disk[off : off+n]
		parts = append(parts, Part{Off: int64(off), Size: int64(n), Open: func() (io.ReadCloser, error) {
			opened[i]++
			return io.NopCloser(bytes.NewReader(data)), nil
		}})
		off += n
	}
	return parts
}

func TestReadAt(t *testing.T) {
	disk := blocktest.Disk(1, maxWhole+3_000_000)
	sizes := []int{1_000_000, 1, maxWhole + 1, 999_999, 999_999}
	sizes[4] = len(disk) - sizes[0] - sizes[1] - sizes[2] - sizes[3]
	opened := make([]int, len(sizes))
	d := New(cut(disk, sizes, opened), 2)
	defer d.Close()
	buf := make([]byte, 700_001)
	for off := 0; off < len(disk); {
		n, err := d.ReadAt(buf, int64(off))
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if !bytes.Equal(buf[:n], disk[off:off+n]) {
			t.Fatalf("%d bytes at %d differ", n, off)
		}
		off += n
	}
	for i, n := range opened {
		if n != 1 {
			t.Errorf("part %d was unpacked %d times", i, n)
		}
	}
	// Out of order it is slower, not wrong.
	for _, off := range []int{len(disk) - 10, 5, 20_000_000, 19_000_000} {
		if n, err := d.ReadAt(buf[:10], int64(off)); n != 10 || err != nil || !bytes.Equal(buf[:10], disk[off:off+10]) {
			t.Errorf("10 bytes at %d: got %d, %v", off, n, err)
		}
	}
}

func TestLies(t *testing.T) {
	for _, size := range []int64{100, maxWhole + 100} {
		for name, tt := range map[string]struct {
			has  int64
			end  error
			want string
		}{
			"less":    {size - 1, io.EOF, "it ends before it should"},
			"more":    {size + 1, io.EOF, "more bytes than it should"},
			"damaged": {size, errors.New("checksum"), "checksum"},
		} {
			d := New([]Part{{0, size, func() (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(io.LimitReader(zeros{}, tt.has), failing{tt.end})), nil
			}}}, 1)
			_, err := io.Copy(io.Discard, io.NewSectionReader(d, 0, d.Size()))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d bytes, %s: got %v, want ... %s ...", size, name, err, tt.want)
			}
			d.Close()
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
