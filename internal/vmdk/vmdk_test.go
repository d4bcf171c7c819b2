package vmdk

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/block/blocktest"
)

func write(t testing.TB, disk []byte) []byte {
	t.Helper()
	f := new(blocktest.File)
	w, err := NewWriter(f, int64(len(disk)))
	if err != nil {
		t.Fatal(err)
	}
	blocktest.Write(t, w, disk)
	return f.Data
}

// read takes an image apart as its specification says: by the footer's
// directory, and at the same time as a stream, which must agree.
func read(image []byte) ([]byte, error) {
	var head, foot header
	decode := func(at int, v any) error {
		_, err := binary.Decode(image[at:], binary.LittleEndian, v)
		return err
	}
	if err := decode(0, &head); err != nil {
		return nil, err
	}
	if err := decode(len(image)-2*sector, &foot); err != nil {
		return nil, err
	}
	directory := foot.GDOffset
	foot.GDOffset = math.MaxUint64
	if head != foot || string(head.Magic[:]) != "KDMV" || head.Version != 3 {
		return nil, fmt.Errorf("header %+v and footer %+v", head, foot)
	}
	disk := make([]byte, head.Capacity*sector)
	at := func(byDirectory uint64) uint32 { // where a grain is
		table := binary.LittleEndian.Uint32(image[directory*sector+byDirectory/512*4:])
		if table == 0 {
			return 0
		}
		return binary.LittleEndian.Uint32(image[uint64(table)*sector+byDirectory%512*4:])
	}
	seen := map[uint64]bool{}
	for pos := int(head.Overhead) * sector; ; {
		value := binary.LittleEndian.Uint64(image[pos:])
		size := int(binary.LittleEndian.Uint32(image[pos+8:]))
		if size == 0 { // a marker
			if kind := binary.LittleEndian.Uint32(image[pos+12:]); kind == endOfStream {
				if pos+sector != len(image) {
					return nil, fmt.Errorf("the stream ends at %d of %d bytes", pos, len(image))
				}
				break
			}
			pos += sector + int(value)*sector
			continue
		}
		if got := at(value / grain); int(got)*sector != pos {
			return nil, fmt.Errorf("the grain at byte %d is at %d for the directory", pos, got)
		}
		z, err := zlib.NewReader(bytes.NewReader(image[pos+12 : pos+12+size]))
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(z)
		if err != nil || len(data) != grainBytes {
			return nil, fmt.Errorf("a grain of %d bytes: %v", len(data), err)
		}
		seen[value/grain] = true
		copy(disk[value*sector:], data)
		pos += (12 + size + sector - 1) &^ (sector - 1)
	}
	for i := range head.Capacity / grain {
		if !seen[i] && at(i) != 0 {
			return nil, fmt.Errorf("grain %d is in the directory, not in the stream", i)
		}
	}
	return disk, nil
}

func TestRoundTrip(t *testing.T) {
	for i, size := range append(blocktest.Sizes, 70<<20) { // three tables
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			disk := blocktest.Disk(uint64(i), size)
			image := write(t, disk)
			want := append(bytes.Clone(disk), make([]byte, int(Size(int64(size)))-size)...)
			if got, err := read(image); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("comes back as %d bytes, %v", len(got), err)
			}
			blocktest.CheckQemu(t, "vmdk", image, want)
			r, err := NewReader(bytes.NewReader(image), int64(len(image)))
			if err != nil {
				t.Fatal(err)
			}
			blocktest.CheckReader(t, r, want)
		})
	}
}

func TestDescriptor(t *testing.T) {
	image := write(t, make([]byte, 10<<20))
	text, _, _ := strings.Cut(string(image[sector:21*sector]), "\x00")
	for _, want := range []string{"createType=\"streamOptimized\"\n", "\nRW 20480 SPARSE ", "\nparentCID=ffffffff\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the descriptor lacks %q:\n%s", want, text)
		}
	}
}

func TestRefusesSizes(t *testing.T) {
	if _, err := NewWriter(new(blocktest.File), 63<<40); err == nil {
		t.Error("a disk of 63 TiB is taken")
	}
}
