package gz

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/crc32"
	"io"
	"testing"

	"github.com/respin-project/respin/internal/block/blocktest"
)

func TestRoundTrip(t *testing.T) {
	for i, size := range blocktest.Sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			disk := blocktest.Disk(uint64(i), size)
			f := new(blocktest.File)
			w, err := NewWriter(f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("first")); err != nil {
				t.Fatal(err)
			}
			blocktest.Write(t, w, disk)
			r, err := gzip.NewReader(bytes.NewReader(f.Data))
			if err != nil {
				t.Fatal(err)
			}
			r.Multistream(false) // it is one member
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, append([]byte("first"), disk...)) {
				t.Errorf("comes back as %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestCombine(t *testing.T) {
	disk := blocktest.Disk(1, 100_000)
	for _, cut := range []int{0, 1, 7, 50_000, 99_999, 100_000} {
		a, b := disk[:cut], disk[cut:]
		got := combine(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), int64(len(b)))
		if want := crc32.ChecksumIEEE(disk); got != want {
			t.Errorf("cut at %d: %#x, want %#x", cut, got, want)
		}
	}
}

// A head of any length that there is room for makes one member with the rest.
func TestHead(t *testing.T) {
	const most = 3000
	room := HeadRoom(most)
	for i := range 40 {
		n := i * most / 39
		f := new(blocktest.File)
		if err := f.Skip(room); err != nil {
			t.Fatal(err)
		}
		w := NewTail(f)
		if _, err := w.Write([]byte("tail")); err != nil {
			t.Fatal(err)
		}
		head := bytes.Repeat([]byte("x"), n)
		b := w.Head(head, int(room))
		if int64(len(b)) != room {
			t.Fatalf("a head of %d bytes takes %d, want %d", n, len(b), room)
		}
		f.WriteAt(b, 0)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(f.Data))
		if err != nil {
			t.Fatal(err)
		}
		r.Multistream(false)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, append(head, "tail"...)) {
			t.Fatalf("a head of %d bytes: comes back as %d bytes, %v", n, len(got), err)
		}
	}
}
