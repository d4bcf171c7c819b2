package convert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/source"
)

// everything is all formats but those with other clusters.
func everything(t testing.TB) []Format {
	t.Helper()
	all, err := ParseFormats("qcow2,qcow2:zstd,raw,raw.xz,raw.zst,raw.gz,vmdk,ova,vhd,vhd:dynamic,gce,box,containerdisk,podman-machine,podman-machine:applehv,qcow2:cluster=2M")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// writeSparse writes a disk to a file, with holes for its zeros if sparse.
func writeSparse(t testing.TB, disk []byte, sparse bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !sparse {
		_, err = f.Write(disk)
	} else {
		for off := 0; off < len(disk) && err == nil; off += 4096 {
			if part := disk[off:min(off+4096, len(disk))]; len(bytes.Trim(part, "\x00")) > 0 {
				_, err = f.WriteAt(part, int64(off))
			}
		}
		if err == nil {
			err = f.Truncate(int64(len(disk)))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// convertFile converts the disk in a file and returns the folder and the artifacts.
func convertFile(t testing.TB, path string, formats []Format) (string, []manifest.Artifact, error) {
	t.Helper()
	dir := t.TempDir()
	in, err := source.Open(context.Background(), path, dir, nil)
	if err != nil {
		return dir, nil, err
	}
	defer in.Close()
	job := Job{Source: in.Disk, Formats: formats, Folder: dir, Disk: Disk{Name: "disk", Arch: "x86_64"}}
	made, err := job.Run(context.Background())
	return dir, made, err
}

func fileDigest(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The bytes depend on the disk alone: not on the processors, on how busy they
// are, on what else is made in the same run, or on the holes of its file.
func TestDeterministic(t *testing.T) {
	disk := append(blocktest.Disk(42, 2<<20), make([]byte, 23<<20)...) // two blocks of xz, one of them partly zero
	disk = append(disk, blocktest.Disk(43, 1<<20+4711)...)
	path := writeSparse(t, disk, true)
	all := everything(t)
	digests := func(path string, formats []Format) map[string]string {
		_, made, err := convertFile(t, path, formats)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, a := range made {
			got[a.Format] = a.SHA256
		}
		return got
	}
	want := digests(path, all)
	if diff := cmp.Diff(want, digests(writeSparse(t, disk, false), all)); diff != "" {
		t.Errorf("of a file without holes (-want +got):\n%s", diff)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, n := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(n)
		if diff := cmp.Diff(want, digests(path, all)); diff != "" {
			t.Errorf("with %d processors (-want +got):\n%s", n, diff)
		}
	}
	for _, f := range all {
		if got := digests(path, []Format{f})[f.Name]; got != want[f.Name] {
			t.Errorf("%s alone has the digest %s, want %s", f.Name, got, want[f.Name])
		}
	}
}

func TestWrongDigest(t *testing.T) {
	path := writeSparse(t, blocktest.Disk(1, 1<<20), true)
	in, err := source.Open(context.Background(), path, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	formats, _ := ParseFormats("qcow2")
	dir := t.TempDir()
	job := Job{Source: in.Disk, Formats: formats, Folder: dir, Disk: Disk{Name: "disk"}, SHA256: strings.Repeat("0", 64)}
	if _, err := job.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "not 0000") {
		t.Errorf("got %v", err)
	}
	nothingLeft(t, dir)
}

func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s is left", e.Name())
	}
}

// A disk that cannot be read to its end leaves nothing, and neither does one
// whose conversion is cancelled in the middle.
func TestFailures(t *testing.T) {
	disk := blocktest.Disk(1, 20<<20)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, src := range map[string]source.Disk{
		"fails":     &faulty{disk: disk, at: 15 << 20, fault: func() error { return io.ErrClosedPipe }},
		"ends":      &faulty{disk: disk, at: 15 << 20, fault: func() error { return io.EOF }},
		"cancelled": &faulty{disk: disk, at: 10 << 20, fault: func() error { cancel(); return nil }},
	} {
		dir := t.TempDir()
		job := Job{Source: src, Formats: everything(t), Folder: dir, Disk: Disk{Name: "disk"}}
		ctx := ctx
		if name != "cancelled" {
			ctx = context.Background()
		}
		if _, err := job.Run(ctx); err == nil {
			t.Errorf("%s: no error", name)
		}
		nothingLeft(t, dir)
	}
}

// faulty is a source with a fault in one place.
type faulty struct {
	disk  []byte
	at    int64
	fault func() error
}

func (f *faulty) Size() int64                            { return int64(len(f.disk)) }
func (f *faulty) Extent(off int64) (int64, int64, error) { return off, f.Size(), nil }

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.at {
		if err := f.fault(); err != nil {
			return 0, err
		}
	}
	return copy(p, f.disk[off:]), nil
}

func TestNoRoom(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIP: a small file system can only be mounted as root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIP: no tmpfs can be mounted here: %s", out)
	}
	defer exec.Command("umount", dir).Run()
	noise := make([]byte, 8<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	path := writeSparse(t, noise, true)
	for format, want := range map[string]string{
		"raw":    " free, and the files take at least ", // seen before any work is done
		"qcow2":  "no space left on device",
		"raw.xz": "no space left on device",
	} {
		in, err := source.Open(context.Background(), path, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		formats, _ := ParseFormats(format)
		job := Job{Source: in.Disk, Formats: formats, Folder: dir, Disk: Disk{Name: "disk"}}
		if _, err := job.Run(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ... %s ...", format, err, want)
		}
		nothingLeft(t, dir)
	}
}

func TestParseFormats(t *testing.T) {
	for list, want := range map[string]string{
		"qcow2":                   "qcow2",
		"qcow2, raw.xz,qcow2":     "qcow2 raw.xz",
		"box":                     "box:libvirt box:virtualbox",
		"box:libvirt,box":         "box:libvirt box:virtualbox",
		"qcow2:cluster=64K,qcow2": "qcow2",
		"qcow2:zstd:cluster=2M":   "qcow2:zstd:cluster=2M",
		"qcow2:cluster=3K":        "error: a cluster of 3072 bytes is not a power of two from 4 KiB to 2 MiB",
		"qcow2:cluster=x":         "error: \"x\" is no cluster size",
		"vmdk:cluster=64K":        "error: unknown format \"vmdk:cluster=64K\"",
		"qcow":                    "error: unknown format \"qcow\"",
		"":                        "error: unknown format \"\"",
	} {
		var names []string
		formats, err := ParseFormats(list)
		for _, f := range formats {
			names = append(names, f.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", list, got, want)
		}
	}
}

// Every format's file has a name of its own.
func TestExtensions(t *testing.T) {
	seen := map[string]string{}
	for _, f := range everything(t) {
		if other, ok := seen[f.Ext]; ok {
			t.Errorf("%s and %s both have the extension %s", other, f.Name, f.Ext)
		}
		seen[f.Ext] = f.Name
	}
}
