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
