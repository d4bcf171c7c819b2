package ext4

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

// makeFS makes a file system of a tree with mke2fs.
func makeFS(t testing.TB, size string, args ...string) []byte {
	t.Helper()
	tool, err := exec.LookPath("mke2fs")
	if err != nil {
		if tool, err = exec.LookPath("/usr/sbin/mke2fs"); err != nil {
			t.Skip("SKIP: mke2fs is not installed")
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
	link := func(target, name string) {
		os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755)
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	write("usr/lib/release.d/cloud", []byte("NAME=x\n"))
	link("release.d/cloud", "usr/lib/os-release")
	link("../usr/lib/os-release", "etc/os-release")
	link("/usr", "merged")
	link("loop2", "loop1")
	link("loop1", "loop2")
	link("../../../../../"+string(bytes.Repeat([]byte("./"), 60))+"usr/lib/os-release", "a/far")
	write("big", bytes.Repeat([]byte("0123456789abcdef"), 20_000))
	for i := range 300 {
		write(fmt.Sprintf("many/a-rather-long-name-for-a-file-%d", i), []byte(fmt.Sprint(i)))
	}
	holes, err := os.Create(filepath.Join(root, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	defer holes.Close()
	for i := range int64(400) {
		holes.WriteAt([]byte{byte(i)}, i*10_000)
	}
	image := filepath.Join(t.TempDir(), "image")
	all := append([]string{"-q", "-t", "ext4", "-d", root, "-E", "hash_seed=00000000-0000-0000-0000-000000000001"}, args...)
	if out, err := exec.Command(tool, append(all, image, size)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpen(t *testing.T) {
	for _, args := range [][]string{{"-b", "1024", "-I", "128"}, {"-b", "4096"}, {"-O", "^64bit,^dir_index,^metadata_csum"}} {
		image := makeFS(t, "20M", args...)
		f, err := Open(bytes.NewReader(image))
		if err != nil {
			t.Fatal(err)
		}
		root, err := f.Root()
		if err != nil {
			t.Fatal(err)
		}
		read := func(name string) []byte {
			file, err := unixfs.Open(root, name)
			if err != nil {
				t.Errorf("%v: %v", args, err)
				return nil
			}
			data, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
			if err != nil {
				t.Errorf("%v: %s: %v", args, name, err)
			}
			return data
		}
		for _, name := range []string{"/usr/lib/release.d/cloud", "/usr/lib/os-release", "/etc/os-release", "merged/lib/os-release", "/a/far"} {
			if got := read(name); string(got) != "NAME=x\n" {
				t.Errorf("%v: %s is %q", args, name, got)
			}
		}
		if got := read("big"); !bytes.Equal(got, bytes.Repeat([]byte("0123456789abcdef"), 20_000)) {
			t.Errorf("%v: the large file has %d other bytes", args, len(got))
		}
		for _, i := range []int{0, 150, 299} {
			if got := read(fmt.Sprintf("many/a-rather-long-name-for-a-file-%d", i)); string(got) != fmt.Sprint(i) {
				t.Errorf("%v: file %d is %q", args, i, got)
			}
		}
		want := make([]byte, 399*10_000+1)
		for i := range 400 {
			want[i*10_000] = byte(i)
		}
		if got := read("holes"); !bytes.Equal(got, want) {
			t.Errorf("%v: the file with holes has %d other bytes", args, len(got))
		}
		for _, name := range []string{"nothing", "usr/lib/nothing", "big/nothing", "usr/lib/os-release/x"} {
			if _, err := unixfs.Open(root, name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v: %s: %v", args, name, err)
			}
		}
		for _, name := range []string{"loop1", "usr"} {
			if _, err := unixfs.Open(root, name); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v: %s: %v", args, name, err)
			}
		}
	}
}

// The fuzzer changes bytes of a real file system, which it could not make up.
func FuzzOpen(f *testing.F) {
	image := makeFS(f, "2M", "-b", "1024", "-N", "400", "-O", "^has_journal")
	f.Add(uint32(1024), uint32(0), byte(1), byte(1))
	f.Fuzz(func(t *testing.T, off, off2 uint32, b, b2 byte) {
		changed := bytes.Clone(image)
		changed[int(off)%len(changed)] ^= b
		changed[int(off2)%len(changed)] ^= b2
		f, err := Open(bytes.NewReader(changed))
		if err != nil {
			return
		}
		root, err := f.Root()
		if err != nil {
			return
		}
		for _, name := range []string{"etc/os-release", "holes", "many/a-rather-long-name-for-a-file-150"} {
			file, err := unixfs.Open(root, name)
			if err != nil {
				continue
			}
			io.Copy(io.Discard, io.LimitReader(io.NewSectionReader(file, 0, file.Size()), 1<<20))
		}
	})
}
