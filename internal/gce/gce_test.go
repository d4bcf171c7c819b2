package gce

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

// check reads the archive's one member, and compares it with the disk
// followed by zeros.
func check(t *testing.T, archive, disk []byte) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	h, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != "disk.raw" || h.Size != Size(int64(len(disk))) || h.Typeflag != tar.TypeGNUSparse {
		t.Fatalf("member %+v", h)
	}
	got := make([]byte, len(disk))
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, disk) {
		t.Fatalf("the disk differs, %v", err)
	}
	more := make([]byte, 1<<20) // of what makes the disk a whole gibibyte
	if _, err := io.ReadFull(r, more); err != nil || len(bytes.Trim(more, "\x00")) > 0 {
		t.Fatalf("the rest is not zero, %v", err)
	}
	if h, err := r.Next(); err != io.EOF {
		t.Errorf("another member: %v, %v", h, err)
	}
}

func TestRoundTrip(t *testing.T) {
	for i, size := range append(blocktest.Sizes, 9<<20+1) {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			disk := blocktest.Disk(uint64(i), size)
			check(t, write(t, disk), disk)
		})
	}
}

// More extents than the header has room for go into sectors behind it.
func TestManyExtents(t *testing.T) {
	disk := make([]byte, 100<<20)
	for off := 0; off < len(disk); off += 2 << 20 {
		disk[off] = 1
	}
	archive := write(t, disk)
	check(t, archive, disk)
	tool, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("SKIP: tar is not installed")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.tar.gz")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "-C", dir, "-xzf", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	f, err := os.Open(filepath.Join(dir, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, len(disk))
	if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("tar unpacks something else, %v", err)
	}
	if st, err := f.Stat(); err != nil || st.Size() != 1<<30 {
		t.Errorf("tar unpacks %v bytes, %v", st.Size(), err)
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{
		0:         "00000000000\x00",
		1<<33 - 1: "77777777777\x00",
		1 << 33:   "\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00",
	} {
		field := make([]byte, 12)
		number(field, n)
		if string(field) != want {
			t.Errorf("%d is %q, want %q", n, field, want)
		}
	}
}

// With more extents than there is room for, the zeros between the last ones are stored.
func TestNoRoomForExtents(t *testing.T) {
	disk := make([]byte, 12<<20+5)
	for off := 1 << 20; off < len(disk); off += 2 << 20 {
		disk[off] = 1
	}
	for most := 1; most < 8; most++ {
		f := new(blocktest.File)
		w, err := newWriter(f, int64(len(disk)), most)
		if err != nil {
			t.Fatal(err)
		}
		blocktest.Write(t, w, disk)
		check(t, f.Data, disk)
		if want := min(most, 6); len(w.extents) != want {
			t.Errorf("%d extents, want %d", len(w.extents), want)
		}
	}
	if w, err := newWriter(new(blocktest.File), 1<<60, mostExtents); err != nil || w.room() > 1<<16 {
		t.Errorf("%d bytes of room, %v", w.room(), err)
	}
}
