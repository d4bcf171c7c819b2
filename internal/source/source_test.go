package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/hint"
)

// read reads a disk to its end.
func read(f *File, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, f.Size())
	_, err = io.ReadFull(io.NewSectionReader(f, 0, f.Size()), data)
	return data, err
}

// packed are forms of a disk that do not tell its size.
func packed(t *testing.T, disk []byte) map[string][]byte {
	var z, s bytes.Buffer
	gz := gzip.NewWriter(&z)
	gz.Write(disk)
	gz.Close()
	zs, err := zstd.NewWriter(&s)
	if err != nil {
		t.Fatal(err)
	}
	zs.Write(disk)
	zs.Close()
	return map[string][]byte{"gzip": z.Bytes(), "zstd": s.Bytes()}
}

// As a file or through a pipe, what comes is the disk, and nothing is left in the folder.
func TestUnknownSize(t *testing.T) {
	disk := blocktest.Disk(1, 3_000_001)
	forms := packed(t, disk)
	forms["raw"] = disk
	for name, data := range forms {
		dir := t.TempDir()
		path := filepath.Join(t.TempDir(), "disk")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(Open(context.Background(), path, dir, nil)); err != nil || !bytes.Equal(got, disk) {
			t.Errorf("%s file: %d bytes, %v", name, len(got), err)
		}
		pipe := io.MultiReader(bytes.NewReader(data)) // no file
		if got, err := read(OpenStream(context.Background(), pipe, dir, nil)); err != nil || !bytes.Equal(got, disk) {
			t.Errorf("%s stream: %d bytes, %v", name, len(got), err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
}

// A stream that was cut off is not taken for a shorter disk.
func TestTruncated(t *testing.T) {
	for name, data := range packed(t, blocktest.Disk(1, 3_000_001)) {
		for _, cut := range []int{len(data) / 2, len(data) - 1} {
			_, err := read(OpenStream(context.Background(), bytes.NewReader(data[:cut]), t.TempDir(), nil))
			if err == nil || !strings.Contains(err.Error(), "truncated") {
				t.Errorf("%s, %d of %d bytes: %v", name, cut, len(data), err)
			}
		}
	}
}

func TestNoRoom(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIP: a small file system can only be mounted as root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIP: no tmpfs can be mounted here: %s", out)
	}
	defer exec.Command("umount", dir).Run()
	disk := bytes.Repeat([]byte{1}, 2<<20)
	_, err := OpenStream(context.Background(), bytes.NewReader(disk), dir, nil)
	want := "reading standard input: writing a temporary file: no space left on device"
	if err == nil || err.Error() != want || len(hint.Of(err)) == 0 {
		t.Errorf("got %v with the hint %q, want %s and a hint", err, hint.Of(err), want)
	}
}

func TestFailingStream(t *testing.T) {
	broken := io.MultiReader(bytes.NewReader(make([]byte, 100_000)), failing{})
	if _, err := OpenStream(context.Background(), broken, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "file already closed") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := OpenStream(ctx, bytes.NewReader(make([]byte, 100_000)), t.TempDir(), nil); err == nil {
		t.Error("a cancelled read succeeds")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.NewSyscallError("read", os.ErrClosed) }

func TestDiskName(t *testing.T) {
	for path, want := range map[string]string{
		"-": "disk", "disk.raw": "disk", "a/b.c/disk.raw.xz": "disk", "x.img.gz": "x", "x.qcow2": "x", "x.vmdk": "x", "x.dynamic.vhd": "x.dynamic", ".raw": ".raw", "Fedora-43.x86_64.raw": "Fedora-43.x86_64",
	} {
		if got := DiskName(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestDetect(t *testing.T) {
	vdi := make([]byte, 512)
	copy(vdi[64:], "\x7f\x10\xda\xbe")
	for head, want := range map[string]Kind{
		"": Raw, "QFI\xfb": Qcow2, "KDMV": VMDK, "# Disk DescriptorFile\n": TextVMDK, "conectix": DynamicVHD,
		"vhdxfile": VHDX, "\x1f\x8b": Gzip, "(\xb5/\xfd": Zstd, "\xfd7zXZ\x00": XZ, string(vdi): VDI, "\xeb\x63\x90": Raw,
	} {
		if got := Detect([]byte(head)); got != want {
			t.Errorf("%q is %s, want %s", head, got, want)
		}
	}
}
