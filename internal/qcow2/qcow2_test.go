package qcow2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/deflate"
)

func write(t testing.TB, disk []byte, c Compression, cluster int) []byte {
	t.Helper()
	f := new(blocktest.File)
	w, err := NewWriter(f, int64(len(disk)), c, cluster)
	if err != nil {
		t.Fatal(err)
	}
	blocktest.Write(t, w, disk)
	return f.Data
}

// readAll reads the disk in an image in uneven portions.
func readAll(image []byte) ([]byte, error) {
	return blocktest.ReadAll(NewReader(bytes.NewReader(image), int64(len(image))))
}

// grow is the disk in whole sectors.
func grow(disk []byte) []byte { return append(bytes.Clone(disk), make([]byte, -len(disk)&511)...) }

func TestRoundTrip(t *testing.T) {
	for i, size := range blocktest.Sizes {
		disk := blocktest.Disk(uint64(i), size)
		for _, c := range []Compression{Zlib, Zstd} {
			for _, cluster := range []int{4 << 10, 64 << 10, 2 << 20} {
				t.Run(fmt.Sprint(size, c, cluster), func(t *testing.T) {
					image := write(t, disk, c, cluster)
					if got, err := readAll(image); err != nil || !bytes.Equal(got, grow(disk)) {
						t.Fatalf("comes back as %d bytes, %v", len(got), err)
					}
					if i%2 == 0 {
						blocktest.CheckQemu(t, "qcow2", image, disk)
					}
				})
			}
		}
	}
}

// What QEMU writes is read: both versions, its compressed, plain, zero and missing clusters.
func TestReadsQemu(t *testing.T) {
	disk := grow(blocktest.Disk(99, 7<<20+4711))
	for _, args := range []string{
		"-o compat=0.10", "-o compat=0.10 -c", "-o compat=1.1", "-c", "-c -o compression_type=zstd",
		"-o cluster_size=512", "-c -o cluster_size=2M", "-S 0", "-o refcount_bits=1", "-c -W -m 4",
	} {
		t.Run(args, func(t *testing.T) {
			image := blocktest.QemuImage(t, disk, "-O qcow2 "+args)
			if got, err := readAll(image); err != nil || !bytes.Equal(got, disk) {
				t.Errorf("comes back as %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestExtents(t *testing.T) {
	disk := make([]byte, 3<<29+1000) // three L2 tables
	disk[0], disk[70_000], disk[1<<29], disk[len(disk)-1] = 1, 1, 1, 1
	image := write(t, disk, Zlib, DefaultCluster)
	r, err := NewReader(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for off := int64(0); off < r.Size(); {
		start, end, err := r.Extent(off)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, start, end)
		off = end
	}
	want := []int64{0, 2 << 16, 1 << 29, 1<<29 + 1<<16, 3 << 29, r.Size()}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("extents %v, want %v", got, want)
	}
}

// patch returns a copy of the image with big-endian numbers in it.
func patch(image []byte, off int, v any) []byte {
	image = bytes.Clone(image)
	if _, err := binary.Encode(image[off:], binary.BigEndian, v); err != nil {
		panic(err)
	}
	return image
}

func TestHostile(t *testing.T) {
	disk := blocktest.Disk(5, 1<<20)
	good := write(t, disk, Zlib, DefaultCluster)
	l1 := int(binary.BigEndian.Uint64(good[40:]))
	l2 := int(binary.BigEndian.Uint64(good[l1:]) & offsetMask)
	entry := func(v uint64) []byte { return patch(good, l2, v) }
	bomb := func(packed []byte) []byte { // an image whose first cluster is packed
		image := append(bytes.Clone(good), packed...)
		image = append(image, make([]byte, 1<<16)...)
		return patch(image, l2, compressed|uint64(len(packed)/512)<<54|uint64(len(good)))
	}
	var frame bytes.Buffer
	enc, _ := zstd.NewWriter(&frame)
	enc.Write(make([]byte, 1<<20))
	enc.Close()
	isZstd := func(image []byte) []byte {
		image = patch(image, 72, uint64(incompatCompression))
		image = patch(image, 100, uint32(112))
		return patch(image, 104, uint8(Zstd))
	}
	for name, tt := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":                {nil, "the file ends after 0 bytes"},
		"not one":              {make([]byte, 200), "it is no qcow2 image"},
		"header cut":           {good[:80], "the file ends after 80 bytes"},
		"version":              {patch(good, 4, uint32(4)), "version 4 is not known"},
		"backing file":         {patch(good, 8, uint64(512)), "has a backing file"},
		"encrypted":            {patch(good, 32, uint32(2)), "is encrypted"},
		"cluster bits small":   {patch(good, 20, uint32(3)), "clusters of 2^3 bytes"},
		"cluster bits large":   {patch(good, 20, uint32(63)), "clusters of 2^63 bytes"},
		"L1 of 2^32 entries":   {patch(good, 36, uint32(1<<32-1)), "an L1 table of 4294967295 entries is too large"},
		"disk of 2^60":         {patch(good, 24, uint64(1<<60)), "an L1 table of 1 entries is too small"},
		"disk of 2^64":         {patch(good, 24, uint64(1<<64-1)), "an L1 table of 1 entries is too small"},
		"L1 in the header":     {patch(good, 40, uint64(0)), "the L1 table at byte 0 is not in the file"},
		"L1 behind the end":    {patch(good, 40, uint64(1<<63)), "is not in the file"},
		"L1 overflows":         {patch(good, 40, ^uint64(1<<16-1)), "is not in the file"},
		"L1 unaligned":         {patch(good, 40, uint64(l1+512)), "does not begin at a cluster's start"},
		"refcounts of 2^99":    {patch(good, 96, uint32(99)), "refcounts of 2^99 bits"},
		"no refcounts":         {patch(good, 48, uint64(1<<40)), "the refcount table at byte 1099511627776 is not in the file"},
		"unknown feature":      {patch(good, 72, uint64(1<<40)), "unknown features"},
		"data file":            {patch(good, 72, uint64(4)), "in another file"},
		"corrupt":              {patch(good, 72, uint64(2)), "marked as corrupt"},
		"extended":             {patch(good, 72, uint64(16)), "extended L2 entries"},
		"compression unsaid":   {patch(patch(good, 100, uint32(112)), 104, uint8(1)), "does not say so"},
		"compression unknown":  {patch(patch(patch(good, 72, uint64(8)), 100, uint32(112)), 104, uint8(7)), "compression type 7 is not known"},
		"L2 is the L1":         {patch(good, l1, copied|uint64(l1)), "overlaps with the L1 table"},
		"L2 in the header":     {patch(good, l1, copied|uint64(512)), "byte 512 is not a cluster's start"},
		"L2 behind the end":    {patch(good, l1, copied|uint64(1<<40)), "it is truncated"},
		"cluster is the L2":    {entry(copied | uint64(l2)), "is an L2 table"},
		"cluster is the L1":    {entry(copied | uint64(l1)), "overlaps with the L1 table"},
		"cluster unaligned":    {entry(copied | uint64(1<<16+512)), "is not a cluster's start"},
		"cluster behind end":   {entry(copied | uint64(1<<50)), "it is truncated"},
		"packed in the header": {entry(compressed | 100), "are in the header"},
		"packed behind end":    {entry(compressed | 1<<53), "it is truncated"},
		"packed nonsense":      {entry(compressed | uint64(l2+8)), "unpacking"},
		"expands past":         {bomb(deflate.New(4096).Encode(nil, make([]byte, 1<<16+1))), "expand to more than 65536 bytes"},
		"expands to less":      {bomb(deflate.New(4096).Encode(nil, make([]byte, 1<<16-1))), "end after 65535 of 65536 bytes"},
		"zstd bomb":            {isZstd(bomb(frame.Bytes())), "expand to more than 65536 bytes"},
		"truncated":            {good[:l1], "is not in the file"},
		"header short":         {patch(good, 100, uint32(80)), "a header of 80 bytes is too short"},
		"header long":          {patch(good, 100, uint32(1<<32-1)), "a header of 4294967295 bytes is longer than a cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(tt.image)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ... %s ...", err, tt.want)
			}
		})
	}
}

func TestSharedTable(t *testing.T) {
	disk := make([]byte, 1<<29+1)
	disk[0], disk[1<<29] = 1, 2
	image := write(t, disk, Zlib, DefaultCluster)
	l1 := int(binary.BigEndian.Uint64(image[40:]))
	copy(image[l1+8:], image[l1:l1+8])
	if _, err := readAll(image); err == nil || !strings.Contains(err.Error(), "two entries have the same L2 table") {
		t.Errorf("got %v", err)
	}
}

func TestRefusesSizes(t *testing.T) {
	for _, cluster := range []int{0, 512, 5000, 4 << 20} {
		if _, err := NewWriter(new(blocktest.File), 1<<20, Zlib, cluster); err == nil {
			t.Errorf("clusters of %d bytes are taken", cluster)
		}
	}
	if _, err := NewWriter(new(blocktest.File), 1<<62, Zlib, DefaultCluster); err == nil {
		t.Error("a disk of 4 EiB is taken")
	}
}

func FuzzReader(f *testing.F) {
	disk := blocktest.Disk(5, 100_000)
	for _, c := range []Compression{Zlib, Zstd} {
		f.Add(write(f, disk, c, 4<<10))
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		r, err := NewReader(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		blocktest.Walk(t, r)
	})
}
