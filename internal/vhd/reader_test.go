package vhd

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/block/blocktest"
)

func readAll(image []byte) ([]byte, error) {
	return blocktest.ReadAll(NewReader(bytes.NewReader(image), int64(len(image))))
}

// What QEMU writes is read; its disks are as large as whole cylinders.
func TestReadsQemu(t *testing.T) {
	disk := blocktest.Disk(99, 20<<20)
	image := blocktest.QemuImage(t, disk, "-O vpc")
	r, err := NewReader(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(disk), make([]byte, int(r.Size())-len(disk))...)
	blocktest.CheckReader(t, r, want)
}

// Sectors that were never written are zeros, whatever lies where they would.
func TestBitmap(t *testing.T) {
	disk := bytes.Repeat([]byte{7}, 1<<20)
	image := dynamic(t, disk)
	at := int(binary.BigEndian.Uint32(image[tableAt:])) * sector
	image[at] = 0b0111_1110 // all but the sectors 0 and 7 of the first 8
	clear(disk[:sector])
	clear(disk[7*sector : 8*sector])
	r, err := NewReader(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	blocktest.CheckReader(t, r, disk)
}

// resum sets the checksum of the footer's copy or the header right, if that is there.
func resum(image []byte, part int) {
	size, sum := sector, 64
	if part == headerAt {
		size, sum = 1024, 36
	}
	if len(image) >= part+size {
		clear(image[part+sum : part+sum+4])
		binary.BigEndian.PutUint32(image[part+sum:], checksum(image[part:part+size]))
	}
}

func TestHostile(t *testing.T) {
	good := dynamic(t, blocktest.Disk(5, 5<<20))
	// patched has a number in the footer's copy or the header, and the right checksum.
	patched := func(part, off int, v any) []byte {
		image := bytes.Clone(good)
		if _, err := binary.Encode(image[part+off:], binary.BigEndian, v); err != nil {
			t.Fatal(err)
		}
		resum(image, part)
		return image
	}
	entry := func(v uint32) []byte {
		image := bytes.Clone(good)
		binary.BigEndian.PutUint32(image[tableAt:], v)
		return image
	}
	flip := func(off int) []byte {
		image := bytes.Clone(good)
		image[off] ^= 1
		return image
	}
	for name, tt := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":             {nil, "the file ends at byte 0"},
		"footer alone":      {good[:sector], "it is truncated"},
		"no table":          {good[:tableAt], "the table of blocks"},
		"footer damaged":    {flip(20), "its checksum is wrong"},
		"header damaged":    {flip(headerAt + 500), "its checksum is wrong"},
		"differencing":      {patched(0, 60, uint32(4)), "has a parent"},
		"type":              {patched(0, 60, uint32(9)), "type 9"},
		"disk of 2^60":      {patched(0, 48, uint64(1<<60)), "a disk of 1152921504606846976 bytes"},
		"disk of nothing":   {patched(0, 48, uint64(0)), "a disk of 0 bytes"},
		"header behind":     {patched(0, 16, uint64(1<<40)), "it is truncated"},
		"header at 2^64":    {patched(0, 16, ^uint64(0)), "it is truncated"},
		"table behind":      {patched(headerAt, 16, uint64(1<<63)), "the table of blocks: the file ends"},
		"blocks of 2^31":    {patched(headerAt, 32, uint32(1<<31)), "blocks of 2147483648 bytes"},
		"blocks of nothing": {patched(headerAt, 32, uint32(0)), "blocks of 0 bytes"},
		"odd blocks":        {patched(headerAt, 32, uint32(3<<20)), "blocks of 3145728 bytes"},
		"small table":       {patched(headerAt, 28, uint32(1)), "a table of 1 blocks is too small"},
		"block behind":      {entry(1 << 31), "its bitmap: the file ends"},
		"block over end":    {entry(uint32(len(good)/sector - 2)), "it is truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(tt.image)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ... %s ...", err, tt.want)
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	f.Add(dynamic(f, blocktest.Disk(5, 100_000))[:tableAt+2*sector])
	f.Fuzz(func(t *testing.T, image []byte) {
		// Past a wrong checksum nothing would be read.
		resum(image, 0)
		resum(image, headerAt)
		if r, err := NewReader(bytes.NewReader(image), int64(len(image))); err == nil {
			blocktest.Walk(t, r)
		}
	})
}
