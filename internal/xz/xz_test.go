package xz

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/lzma2"
	"github.com/ulikunitz/xz"
)

func write(t testing.TB, disk []byte) []byte {
	t.Helper()
	f := new(blocktest.File)
	writeTo(t, f, disk)
	return f.Data
}

func writeTo(t testing.TB, f File, disk []byte) {
	t.Helper()
	w, err := NewWriter(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	blocktest.Write(t, w, disk)
}

func readAll(file []byte) ([]byte, error) {
	d, _, err := Open(context.Background(), bytes.NewReader(file), int64(len(file)), 2)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	disk := make([]byte, d.Size())
	_, err = d.ReadAt(disk, 0)
	return disk, err
}

func TestRoundTrip(t *testing.T) {
	for i, size := range []int{1, 4097, 3<<20 + 12345} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			disk := blocktest.Disk(uint64(i), size)
			file := write(t, disk)
			if got, err := readAll(file); err != nil || !bytes.Equal(got, disk) {
				t.Errorf("the disk comes back as %d bytes, %v", len(got), err)
			}
			r, err := xz.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, disk) {
				t.Errorf("the stream comes back as %d bytes, %v", len(got), err)
			}
			checkProgram(t, file, disk)
		})
	}
}

// checkProgram holds the file against XZ Utils.
func checkProgram(t *testing.T, file, disk []byte) {
	t.Helper()
	path, _ := findProgram(context.Background())
	if path == "" {
		return
	}
	cmd := exec.Command(path, "-dc")
	cmd.Stdin = bytes.NewReader(file)
	if got, err := cmd.Output(); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("xz unpacks %d bytes, %v", len(got), err)
	}
}

// countingFile counts how often something is taken from the file again.
type countingFile struct {
	blocktest.File
	reads int
}

func (f *countingFile) ReadAt(p []byte, off int64) (int, error) {
	f.reads++
	return f.File.ReadAt(p, off)
}

// Blocks that are equal are packed once, and take the same bytes.
func TestEqualBlocks(t *testing.T) {
	disk := make([]byte, 5*blockSize+9)
	disk[1], disk[blockSize+1] = 1, 1 // two equal blocks, three of zeros, the short last one
	f := new(countingFile)
	writeTo(t, f, disk)
	if f.reads != 1 {
		t.Errorf("%d blocks were taken from the file, want 1", f.reads)
	}
	file := f.Data
	blocks, err := Index(bytes.NewReader(file), int64(len(file)))
	if err != nil || len(blocks) != 6 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	if got, err := readAll(file); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("comes back as %d bytes, %v", len(got), err)
	}
}

// Several streams with padding between them are one file.
func TestStreams(t *testing.T) {
	a, b := blocktest.Disk(1, 5000), blocktest.Disk(2, 7000)
	empty := write(t, nil)
	var file []byte
	for _, part := range [][]byte{write(t, a), make([]byte, 8), empty, write(t, b), make([]byte, 4)} {
		file = append(file, part...)
	}
	if got, err := readAll(file); err != nil || !bytes.Equal(got, append(bytes.Clone(a), b...)) {
		t.Errorf("comes back as %d bytes, %v", len(got), err)
	}
}

// withIndex returns a file whose index says what it should not.
func withIndex(file []byte, records ...record) []byte {
	size := int(binary.LittleEndian.Uint32(file[len(file)-8:])+1) * 4
	lie := index(records)
	file = append(bytes.Clone(file[:len(file)-headerLen-size]), lie...)
	return append(file, streamFooter(len(lie))...)
}

func TestHostile(t *testing.T) {
	good := write(t, blocktest.Disk(1, 50_000))
	blocks, err := Index(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	real := record{blocks[0].unpadded, blocks[0].Uncompressed}
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1
	dict := bytes.Clone(good) // 4 GiB of dictionary
	head := dict[headerLen : headerLen+(int(dict[headerLen])+1)*4]
	head[bytes.LastIndexByte(head[:len(head)-4], lzma2.DictProperty)] = 40
	binary.LittleEndian.PutUint32(head[len(head)-4:], crc32.ChecksumIEEE(head[:len(head)-4]))
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"short":                {good[:20], "truncated"},
		"cut":                  {good[:len(good)-4], "truncated"},
		"cut in front":         {good[4:], "the index tells of more than the file has"},
		"flipped":              {flipped, "unpacking the part"},
		"4 GiB to unpack with": {dict, "needs 4096 MiB of memory"},
		"tells more":           {withIndex(good, record{real.unpadded, real.uncompressed + 1}), "it ends before it should"},
		"tells less":           {withIndex(good, record{real.unpadded, real.uncompressed - 1}), "more bytes than it should"},
		"tells 2^62":           {withIndex(good, record{real.unpadded, 1 << 62}, record{real.unpadded, 1 << 62}), "sizes are too large"},
		"longer block":         {withIndex(good, record{real.unpadded + 8, real.uncompressed}), "the index tells of more than the file has"},
		"no room":              {withIndex(good, record{5, real.uncompressed}), "header is damaged or not where"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readAll(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ... %s ...", err, tt.want)
			}
		})
	}
}

// What XZ Utils write in other ways is read, or refused with a reason.
func TestReadsProgram(t *testing.T) {
	path, _ := findProgram(context.Background())
	if path == "" {
		t.Skip("SKIP: XZ Utils are not installed")
	}
	disk := blocktest.Disk(7, 3<<20)
	for args, want := range map[string]string{
		"-0": "", "--check=none": "", "--check=crc32": "", "--check=sha256": "", "--block-size=1MiB -T2": "",
		"--x86 --lzma2=preset=1": "other filters than LZMA2",
	} {
		t.Run(args, func(t *testing.T) {
			cmd := exec.Command(path, append(strings.Fields(args), "-c")...)
			cmd.Stdin = bytes.NewReader(disk)
			file, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(file)
			if want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want ... %s ...", err, want)
				}
			} else if err != nil || !bytes.Equal(got, disk) {
				t.Errorf("comes back as %d bytes, %v", len(got), err)
			}
		})
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(write(f, blocktest.Disk(1, 500)))
	f.Fuzz(func(t *testing.T, file []byte) {
		blocks, err := Index(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		for _, b := range blocks {
			if b.off < headerLen || b.off+b.unpadded > int64(len(file)) {
				t.Fatalf("block %+v in a file of %d bytes", b, len(file))
			}
			if b.Uncompressed > 1<<20 {
				continue
			}
			r, err := openBlock(context.Background(), bytes.NewReader(file), b, unpackPureGo)
			if err == nil {
				io.CopyN(io.Discard, r, 1<<20)
				r.Close()
			}
		}
	})
}
