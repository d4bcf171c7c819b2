package btrfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var identity = Identity{Time: 1500000000, UUID: func(purpose string) string {
	s := sha256.Sum256([]byte(purpose))
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}}

// image unpacks one of the samples: the same tree, made twice by mkfs.btrfs 7.1.
func image(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTwoBuildsBecomeOne(t *testing.T) {
	var results [][]byte
	for _, name := range []string{"a.img.zst", "b.img.zst"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, image(t, name), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range 2 { // a second time changes nothing
			if err := Normalize(f, identity); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			results = append(results, data)
		}
	}
	if bytes.Equal(image(t, "a.img.zst"), image(t, "b.img.zst")) {
		t.Error("the samples are the same already")
	}
	for i, r := range results[1:] {
		if !bytes.Equal(r, results[0]) {
			t.Errorf("result %d differs from the first", i+1)
		}
	}
	if bytes.Contains(results[0], []byte("hello\n")) != true {
		t.Error("a file's contents are gone")
	}
}

// readOnly is a file in memory that takes writes and forgets them.
type readOnly []byte

func (r readOnly) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > int64(len(r)) {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(p, r[at:]), nil
}

func (r readOnly) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > int64(len(r)) {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// FuzzNormalize damages a sample: each five bytes of the input are the place
// of a byte, counted from the superblock or from one of its tree blocks, and its new value.
// Checksums are made right again, so that the damage is found by what it means.
func FuzzNormalize(f *testing.F) {
	base := image(f, "a.img.zst")
	v, err := open(readOnly(base), int64(len(base)))
	if err != nil {
		f.Fatal(err)
	}
	var blocks []int64
	n := &normalizer{volume: v, id: identity, uuids: map[[16]byte][16]byte{}}
	if err := n.survey(); err != nil {
		f.Fatal(err)
	}
	for _, e := range n.live[len(superOffsets):] {
		if e.end-e.start == int64(n.nodeSize) {
			blocks = append(blocks, e.start)
		}
	}
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0x80, 0xff})
	f.Add([]byte{3, 0, 0x64, 0, 7, 2, 0, 0x60, 0, 200})
	pristine := map[int64][]byte{superMain: bytes.Clone(base[superMain : superMain+superSize])}
	for _, at := range blocks {
		pristine[at] = bytes.Clone(base[at : at+int64(n.nodeSize)])
	}
	f.Fuzz(func(t *testing.T, damage []byte) {
		for at, data := range pristine {
			copy(base[at:], data)
		}
		for len(damage) >= 5 && len(damage) < 200 {
			which, offset, value := int(damage[0]), int64(binary.LittleEndian.Uint16(damage[1:])), damage[4]
			if which == 0 {
				base[superMain+offset%superSize] = value
			} else {
				base[blocks[which%len(blocks)]+offset%int64(n.nodeSize)] = value
			}
			damage = damage[5:]
		}
		for _, at := range blocks {
			block := base[at : at+int64(n.nodeSize)]
			le.PutUint32(block, checksum(block))
		}
		normalize(readOnly(base), int64(len(base)), identity) // must end, and not panic
	})
}
