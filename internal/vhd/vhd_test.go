package vhd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/block/blocktest"
)

func fixed(t testing.TB, disk []byte) []byte {
	t.Helper()
	v, err := NewFixed(int64(len(disk)))
	if err != nil {
		t.Fatal(err)
	}
	f := &blocktest.File{Data: bytes.Clone(disk)}
	if err := v.Finish(f, []byte("digest")); err != nil {
		t.Fatal(err)
	}
	return f.Data
}

func dynamic(t testing.TB, disk []byte) []byte {
	t.Helper()
	f := new(blocktest.File)
	w, err := NewDynamic(f, int64(len(disk)))
	if err != nil {
		t.Fatal(err)
	}
	blocktest.Write(t, w, disk)
	return f.Data
}

// parseFooter reads and checks the footer at the end of an image, or its copy at the start.
func parseFooter(raw []byte) (footer, error) {
	var f footer
	if _, err := binary.Decode(raw, binary.BigEndian, &f); err != nil {
		return f, err
	}
	sum := f.Checksum
	f.Checksum = 0
	if want := checksum(encode(f)); sum != want || string(f.Cookie[:]) != "conectix" {
		return f, fmt.Errorf("cookie %q, checksum %#x, want %#x", f.Cookie, sum, want)
	}
	return f, nil
}

// readDynamic takes an image apart as the specification says.
func readDynamic(image []byte) ([]byte, error) {
	foot, err := parseFooter(image[len(image)-sector:])
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(image[:sector], image[len(image)-sector:]) {
		return nil, fmt.Errorf("the footer and its copy differ")
	}
	var head dynamicHeader
	if _, err := binary.Decode(image[foot.DataOffset:], binary.BigEndian, &head); err != nil {
		return nil, err
	}
	sum := head.Checksum
	head.Checksum = 0
	if string(head.Cookie[:]) != "cxsparse" || sum != checksum(encode(head)) || head.BlockSize != blockSize {
		return nil, fmt.Errorf("dynamic header %+v", head)
	}
	disk := make([]byte, int(head.MaxEntries)*blockSize)
	for i := range head.MaxEntries {
		at := binary.BigEndian.Uint32(image[head.TableOffset+4*uint64(i):])
		if at == unused {
			continue
		}
		start := int(at) * sector
		bitmap := image[start : start+bitmapSize]
		for s := range blockSize / sector {
			if bitmap[s/8]&(0x80>>(s%8)) != 0 {
				copy(disk[int(i)*blockSize+s*sector:], image[start+bitmapSize+s*sector:][:sector])
			}
		}
	}
	return disk[:foot.CurrentSize], nil
}

func TestRoundTrip(t *testing.T) {
	for i, size := range append(blocktest.Sizes, 20<<20+1) {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			disk := blocktest.Disk(uint64(i), size)
			want := append(bytes.Clone(disk), make([]byte, int(Size(int64(size)))-size)...)

			image := fixed(t, disk)
			foot, err := parseFooter(image[len(want):])
			if err != nil || !bytes.Equal(image[:len(want)], want) || foot.CurrentSize%alignment != 0 || foot.DiskType != fixedDisk {
				t.Errorf("fixed: %v, %+v", err, foot)
			}
			blocktest.CheckQemu(t, "vpc", image, want)

			image = dynamic(t, disk)
			if got, err := readDynamic(image); err != nil || !bytes.Equal(got, want) {
				t.Errorf("dynamic: comes back as %d bytes, %v", len(got), err)
			}
			blocktest.CheckQemu(t, "vpc", image, want)
			r, err := NewReader(bytes.NewReader(image), int64(len(image)))
			if err != nil {
				t.Fatal(err)
			}
			blocktest.CheckReader(t, r, want)
		})
	}
}

// Sizes on both sides of where the specification's algorithm changes its mind.
func TestGeometry(t *testing.T) {
	type chs struct {
		C    uint16
		H, S uint8
	}
	got := map[int64]chs{}
	want := map[int64]chs{
		2048:                 {30, 4, 17},
		1 << 20:              {1040, 16, 63},
		10 << 21:             {20805, 16, 63},
		65535 * 16 * 63:      {16191, 16, 255},
		65535*16*255 + 10000: {65535, 16, 255},
	}
	for sectors := range want {
		c, h, s := geometry(sectors)
		got[sectors] = chs{c, h, s}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Two disks never share an identity; one always has the same.
func TestIdentity(t *testing.T) {
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	a[5], b[6] = 1, 1
	id := func(image []byte) [16]byte {
		f, err := parseFooter(image[len(image)-sector:])
		if err != nil {
			t.Fatal(err)
		}
		return f.UniqueID
	}
	if id(dynamic(t, a)) != id(dynamic(t, a)) || id(dynamic(t, a)) == id(dynamic(t, b)) {
		t.Error("the identity does not come from the disk")
	}
}

func TestRefusesSizes(t *testing.T) {
	if _, err := NewFixed(2041 << 30); err == nil {
		t.Error("a disk of 2041 GiB is taken")
	}
	if _, err := NewDynamic(new(blocktest.File), 2041<<30); err == nil {
		t.Error("a disk of 2041 GiB is taken")
	}
}
