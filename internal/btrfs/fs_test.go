package btrfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/respin-project/respin/internal/unixfs"
)

// makeFS makes a file system of a tree with mkfs.btrfs.
func makeFS(t testing.TB, size int64, args ...string) []byte {
	t.Helper()
	tool, err := exec.LookPath("mkfs.btrfs")
	if err != nil {
		if tool, err = exec.LookPath("/usr/sbin/mkfs.btrfs"); err != nil {
			t.Skip("SKIP: mkfs.btrfs is not installed")
		}
	}
	root := t.TempDir()
	write := func(name string, data []byte) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("usr/lib/release.d/cloud", []byte("NAME=x\n"))
	for link, target := range map[string]string{"usr/lib/os-release": "release.d/cloud", "etc": "usr/lib", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	write("big", bytes.Repeat([]byte("0123456789abcdef"), 20_000))
	for i := range 500 {
		write(fmt.Sprintf("many/a-rather-long-name-for-a-file-%d", i), []byte(fmt.Sprint(i)))
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, append(append([]string{"-q", "-r", root}, args...), image)...).CombinedOutput(); err != nil {
		t.Skipf("SKIP: mkfs.btrfs %v: %v\n%s", args, err, out)
	}
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpen(t *testing.T) {
	for _, args := range [][]string{{}, {"--compress", "zstd:1"}, {"--compress", "zlib"}, {"-m", "single", "-n", "4096"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			f, err := Open(bytes.NewReader(makeFS(t, 128<<20, args...)))
			if err != nil {
				t.Fatal(err)
			}
			roots, err := f.Roots()
			if err != nil || len(roots) == 0 {
				t.Fatalf("%d roots, %v", len(roots), err)
			}
			read := func(name string) []byte {
				file, err := unixfs.Open(roots[0], name)
				if err != nil {
					t.Error(err)
					return nil
				}
				data, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				return data
			}
			for _, name := range []string{"/usr/lib/release.d/cloud", "/usr/lib/os-release", "/etc/os-release"} {
				if got := read(name); string(got) != "NAME=x\n" {
					t.Errorf("%s is %q", name, got)
				}
			}
			if got := read("big"); !bytes.Equal(got, bytes.Repeat([]byte("0123456789abcdef"), 20_000)) {
				t.Errorf("the large file has %d other bytes", len(got))
			}
			for _, i := range []int{0, 250, 499} {
				if got := read(fmt.Sprintf("many/a-rather-long-name-for-a-file-%d", i)); string(got) != fmt.Sprint(i) {
					t.Errorf("file %d is %q", i, got)
				}
			}
			for _, name := range []string{"nothing", "usr/lib/nothing", "big/nothing"} {
				if _, err := unixfs.Open(roots[0], name); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := unixfs.Open(roots[0], "loop"); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("loop: %v", err)
			}
		})
	}
}

// The fuzzer changes bytes of a real file system, of those that are not zero.
func FuzzOpen(f *testing.F) {
	image := makeFS(f, 128<<20)
	var used []int
	for off := 0; off < len(image); off += 512 {
		if len(bytes.Trim(image[off:off+512], "\x00")) > 0 {
			used = append(used, off)
		}
	}
	f.Add(uint32(1024), uint32(0), byte(1), byte(1))
	f.Fuzz(func(t *testing.T, off, off2 uint32, b, b2 byte) {
		part := &patched{image, map[int64]byte{}}
		part.change[int64(used[int(off/512)%len(used)])+int64(off%512)] = b
		part.change[int64(used[int(off2/512)%len(used)])+int64(off2%512)] = b2
		fs, err := Open(part)
		if err != nil {
			return
		}
		roots, err := fs.Roots()
		if err != nil {
			return
		}
		for _, root := range roots {
			for _, name := range []string{"etc/os-release", "big", "many/a-rather-long-name-for-a-file-150"} {
				file, err := unixfs.Open(root, name)
				if err != nil {
					continue
				}
				io.Copy(io.Discard, io.LimitReader(io.NewSectionReader(file, 0, file.Size()), 1<<20))
			}
		}
	})
}

// patched is an image of which some bytes are changed.
type patched struct {
	image  []byte
	change map[int64]byte
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.image).ReadAt(b, off)
	changed := false
	for at, x := range p.change {
		if at >= off && at < off+int64(n) {
			b[at-off] ^= x
			changed = true
		}
	}
	if changed && n > headerSize { // the checksum is of what a fuzzer cannot guess
		le.PutUint32(b, checksum(b))
	}
	return n, err
}
