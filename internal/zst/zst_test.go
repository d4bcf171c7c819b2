package zst

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/block/blocktest"
)

func write(t testing.TB, disk []byte) []byte {
	t.Helper()
	f := new(blocktest.File)
	blocktest.Write(t, NewWriter(f), disk)
	return f.Data
}

func TestRoundTrip(t *testing.T) {
	for i, size := range append(blocktest.Sizes, 13<<20+7) {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			disk := blocktest.Disk(uint64(i), size)
			file := write(t, disk)
			dec, err := zstd.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			defer dec.Close()
			if got, err := io.ReadAll(dec); err != nil || !bytes.Equal(got, disk) {
				t.Errorf("the stream comes back as %d bytes, %v", len(got), err)
			}
			d, err := Open(bytes.NewReader(file), int64(len(file)), 3)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			got := make([]byte, d.Size())
			if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, disk) {
				t.Errorf("the disk comes back as %d bytes, %v", len(got), err)
			}
		})
	}
}

// The table at the end agrees with the frames.
func TestSeekTable(t *testing.T) {
	disk := blocktest.Disk(3, 9<<20)
	file := write(t, disk)
	frames, err := Frames(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	foot := file[len(file)-footerSize:]
	if n := binary.LittleEndian.Uint32(foot); int(n) != len(frames) || binary.LittleEndian.Uint32(foot[5:]) != seekableMagic {
		t.Fatalf("the table has %d entries, the file %d frames", n, len(frames))
	}
	table := file[len(file)-footerSize-entrySize*len(frames):]
	for i, f := range frames {
		if got := binary.LittleEndian.Uint32(table[entrySize*i:]); int64(got) != f.Size {
			t.Errorf("frame %d has %d bytes, in the table %d", i, f.Size, got)
		}
		if got := binary.LittleEndian.Uint32(table[entrySize*i+4:]); int64(got) != f.Uncompressed {
			t.Errorf("frame %d unpacks to %d bytes, in the table %d", i, f.Uncompressed, got)
		}
	}
}

func TestDamage(t *testing.T) {
	file := write(t, blocktest.Disk(3, 5<<20))
	flipped := bytes.Clone(file)
	flipped[len(file)/3] ^= 4
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"cut in a frame": {file[:len(file)/2], "truncated"},
		"cut in a table": {file[:len(file)-3], "truncated"},
		"rubbish behind": {append(bytes.Clone(file), "rubbish!"...), "reading the zstd frame"},
		"flipped":        {flipped, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(bytes.NewReader(tt.file), int64(len(tt.file)), 2)
			if err == nil {
				defer d.Close()
				_, err = d.ReadAt(make([]byte, d.Size()), 0)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ... %s ...", err, tt.want)
			}
		})
	}
}

// What a stream's frame says of itself is checked against what it unpacks to.
func TestUnknownSize(t *testing.T) {
	var b bytes.Buffer
	enc, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		enc.Write(blocktest.Disk(1, 1<<20))
	}
	enc.Close()
	if d, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), 1); d != nil || err != nil {
		t.Errorf("a frame without a size gives %v, %v", d, err)
	}
}

// What asks for gigabytes of memory is refused before it gets them.
func TestWideWindow(t *testing.T) {
	var b bytes.Buffer
	enc, err := zstd.NewWriter(&b, zstd.WithWindowSize(256<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		enc.Write(make([]byte, 1<<20))
	}
	enc.Close()
	r, err := Stream(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "more than 128 MiB of memory") {
		t.Errorf("got %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(write(f, blocktest.Disk(1, 5000)))
	f.Fuzz(func(t *testing.T, file []byte) {
		frames, err := Frames(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		for _, frame := range frames {
			if frame.Size <= 0 || frame.Off+frame.Size > int64(len(file)) {
				t.Fatalf("frame %+v in a file of %d bytes", frame, len(file))
			}
			if frame.Uncompressed > 1<<20 {
				return
			}
		}
		d, err := Open(bytes.NewReader(file), int64(len(file)), 1)
		if err != nil || d == nil {
			return
		}
		defer d.Close()
		d.ReadAt(make([]byte, min(d.Size(), 1<<20)), 0)
	})
}
