package vmdk

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/respin-project/respin/internal/block/blocktest"
)

func readAll(image []byte) ([]byte, error) {
	return blocktest.ReadAll(NewReader(bytes.NewReader(image), int64(len(image))))
}

// What QEMU writes is read, packed and not.
func TestReadsQemu(t *testing.T) {
	disk := blocktest.Disk(99, 70<<20+512)
	for _, options := range []string{"-o subformat=streamOptimized", "-o subformat=monolithicSparse", "-o subformat=monolithicSparse,zeroed_grain=on -S 0"} {
		t.Run(options, func(t *testing.T) {
			image := blocktest.QemuImage(t, disk, "-O vmdk "+options)
			r, err := NewReader(bytes.NewReader(image), int64(len(image)))
			if err != nil {
				t.Fatal(err)
			}
			// QEMU's disks are whole grains where they are packed.
			want := append(bytes.Clone(disk), make([]byte, int(r.Size())-len(disk))...)
			blocktest.CheckReader(t, r, want)
		})
	}
}

// patch returns a copy of the image with little-endian numbers in it.
func patch(image []byte, off int, v any) []byte {
	image = bytes.Clone(image)
	if _, err := binary.Encode(image[off:], binary.LittleEndian, v); err != nil {
		panic(err)
	}
	return image
}

func TestHostile(t *testing.T) {
	disk := blocktest.Disk(5, 1<<20)
	good := write(t, disk)
	foot := len(good) - 2*sector
	le := binary.LittleEndian
	directory := int(le.Uint64(good[foot+56:])) * sector
	table := int(le.Uint32(good[directory:])) * sector
	first := int(le.Uint32(good[table:])) * sector
	if first == 0 {
		t.Fatal("the first grain is zero")
	}
	// An image whose first grain is what is packed here.
	packed := func(data []byte, cut int) []byte {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		z.Write(data)
		z.Close()
		image := append(bytes.Clone(good), make([]byte, 12)...)
		image = append(image, b.Bytes()[:b.Len()-cut]...)
		image = patch(image, len(good)+8, uint32(b.Len()-cut))
		image = append(image, make([]byte, -len(image)&(sector-1))...)
		image = append(image, good[foot:]...) // the footer has to come last again
		return patch(image, table, uint32(len(good)/sector))
	}
	text := func(old, new string) []byte {
		return bytes.Replace(bytes.Clone(good), []byte(old), []byte(new), 1)
	}
	for name, tt := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":               {nil, "the file ends at byte 0"},
		"not one":             {make([]byte, 2000), "there is none at byte 0"},
		"truncated":           {good[:len(good)-700], "its footer: there is none"},
		"header alone":        {good[:sector], "its footer"},
		"version":             {patch(good, foot+4, uint32(9)), "version 9 is not known"},
		"compression":         {patch(good, foot+77, uint16(2)), "compression 2"},
		"grains of nothing":   {patch(good, foot+20, uint64(0)), "grains of 0 sectors"},
		"grains of 2^60":      {patch(good, foot+20, uint64(1<<60)), "grains of 1152921504606846976 sectors"},
		"tables":              {patch(good, foot+44, uint32(1<<31)), "tables of 2147483648 grains"},
		"disk of 2^60":        {patch(good, foot+12, uint64(1<<60)), "a disk of 1152921504606846976 sectors"},
		"disk of nothing":     {patch(good, foot+12, uint64(0)), "a disk of 0 sectors"},
		"tiny grains":         {patch(patch(good, foot+20, uint64(8)), foot+12, uint64(maxSize/sector)), "tables are not possible"},
		"directory behind":    {patch(good, foot+56, uint64(1<<50)), "it is truncated"},
		"directory over end":  {patch(good, foot+56, uint64(1<<55)), "it is truncated"},
		"no directory":        {patch(good, foot+56, uint64(0)), "it is truncated"},
		"table behind":        {patch(good, directory, uint32(1<<31)), "reading the VMDK grain table"},
		"grain behind":        {patch(good, table, uint32(1<<31)), "it is truncated"},
		"another grain":       {patch(good, table, le.Uint32(good[table+4:])), "of sector 128 of the disk"},
		"grain of nothing":    {patch(good, first+8, uint32(0)), "is said to have 0 bytes"},
		"grain of 2^31":       {patch(good, first+8, uint32(1<<31)), "is said to have 2147483648 bytes"},
		"packed nonsense":     {patch(good, first+12, uint32(0)), "unpacking"},
		"wrong checksum":      {patch(good, first+12+int(le.Uint32(good[first+8:]))-4, ^le.Uint32(good[first+12+int(le.Uint32(good[first+8:]))-4:])), "unpacking"},
		"expands past":        {packed(make([]byte, grainBytes+1), 0), "expand to more than 65536 bytes"},
		"expands to less":     {packed(make([]byte, grainBytes-1), 0), "end after 65535 of 65536 bytes"},
		"packed and cut":      {packed(disk[:grainBytes], 9), "unpacking"},
		"descriptor behind":   {patch(good, foot+28, uint64(1<<60)), "are not possible"},
		"descriptor of 2^60":  {patch(good, foot+36, uint64(1<<60)), "are not possible"},
		"no descriptor":       {patch(good, foot+28, uint64(0)), "part of a disk"},
		"parent":              {text("parentCID=ffffffff", "parentCID=12345678"), "has a parent"},
		"one of several":      {text("streamOptimized\"", "twoGbMaxExtent\" "), "part of a disk"},
		"packed, no markers ": {patch(good, foot+8, uint32(newLineTest|packedGrains)), "is not known"},
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
	f.Add(write(f, blocktest.Disk(5, 100_000)))
	f.Fuzz(func(t *testing.T, image []byte) {
		if r, err := NewReader(bytes.NewReader(image), int64(len(image))); err == nil {
			blocktest.Walk(t, r)
		}
	})
}
