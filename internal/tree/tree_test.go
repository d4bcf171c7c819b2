package tree

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/sandbox/sandboxtest"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

// workspace is a folder that takes every owner and attribute.
func workspace(t *testing.T) string {
	t.Helper()
	w, err := sandbox.NewWorkspace(t.TempDir(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w.Dir
}

// sample makes a tree with one of everything.
func sample(t *testing.T) string {
	t.Helper()
	dir := workspace(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	must(os.MkdirAll(path("usr/bin"), 0o755))
	must(os.WriteFile(path("usr/bin/sudo"), []byte("set-uid"), 0o755))
	must(os.Chown(path("usr/bin/sudo"), 0, 15))
	must(os.Chmod(path("usr/bin/sudo"), 0o4711|os.ModeSetuid))
	must(os.WriteFile(path("usr/bin/ping"), bytes.Repeat([]byte("x"), 100000), 0o755))
	capability := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	must(unix.Setxattr(path("usr/bin/ping"), "security.capability", capability, 0))
	must(unix.Setxattr(path("usr"), "security.selinux", []byte("system_u:object_r:usr_t:s0\x00"), 0))
	must(os.Link(path("usr/bin/ping"), path("usr/bin/ping6")))
	must(os.Symlink("/usr/bin", path("bin")))
	must(os.Symlink("nowhere", path("dangling")))
	must(unix.Mkfifo(path("pipe"), 0o640))
	must(os.WriteFile(path("empty"), nil, 0o000))
	must(os.Chown(path("empty"), 1234, 65534))
	must(os.Mkdir(path("tmp"), 0o777))
	must(os.Chmod(path("tmp"), 0o777|fs.ModeSticky))
	old := time.Unix(1234567890, 123456789)
	for _, name := range []string{"usr/bin/sudo", "tmp", "usr"} {
		must(os.Chtimes(path(name), old, old))
	}
	return dir
}

// listing is everything about a tree that has to survive.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	inodes := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		parts := []string{fmt.Sprintf("%o %d:%d %v", st.Mode, st.Uid, st.Gid, time.Unix(st.Mtim.Unix()).UTC())}
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			parts = append(parts, string(data[:min(len(data), 20)]))
			if first, ok := inodes[st.Ino]; ok {
				parts = append(parts, "link to "+first)
			}
			inodes[st.Ino] = name
		}
		if target, err := os.Readlink(path); err == nil {
			parts = append(parts, target)
		}
		attributes, err := attributes(path)
		if err != nil {
			return err
		}
		for k, v := range attributes {
			parts = append(parts, k+"="+v)
		}
		all[name] = strings.Join(parts, " ")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	from := sample(t)
	var packed bytes.Buffer
	if err := Pack(&packed, from); err != nil {
		t.Fatal(err)
	}
	to := workspace(t)
	if err := Unpack(bytes.NewReader(packed.Bytes()), to); err != nil {
		t.Fatal(err)
	}
	want, got := listing(t, from), listing(t, to)
	if len(want) < 11 {
		t.Fatalf("the sample has %d entries only", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var again bytes.Buffer
	if err := Pack(&again, to); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(packed.Bytes(), again.Bytes()) {
		t.Error("the copy packs to other bytes")
	}
}

// Two equal trees that were made in different orders list their entries alike.
func TestOrder(t *testing.T) {
	list := func(names ...string) []string {
		dir := workspace(t)
		for _, name := range names {
			path := filepath.Join(dir, "from", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		before := listing(t, filepath.Join(dir, "from"))
		if err := Order(filepath.Join(dir, "from"), filepath.Join(dir, "to")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, listing(t, filepath.Join(dir, "to"))); diff != "" {
			t.Error(diff)
		}
		var all []string
		for _, sub := range []string{".", "d"} {
			f, err := os.Open(filepath.Join(dir, "to", sub))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			names, err := f.Readdirnames(-1) // as the file system has them
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, names...)
		}
		return all
	}
	one, other := list("a", "b", "d/x", "c", "d/y"), list("d/y", "c", "d/x", "b", "a")
	if diff := cmp.Diff(one, other); diff != "" {
		t.Error(diff)
	}
}

// An archive that someone tampered with does not get out of the folder.
func TestEscapes(t *testing.T) {
	outside := t.TempDir()
	for name, entries := range map[string][]tar.Header{
		"dots":          {{Name: "../f", Typeflag: tar.TypeReg}},
		"absolute":      {{Name: outside + "/f", Typeflag: tar.TypeReg}},
		"through link":  {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: outside}, {Name: "l/f", Typeflag: tar.TypeReg}},
		"device there":  {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: outside}, {Name: "l/d", Typeflag: tar.TypeFifo}},
		"link to there": {{Name: "f", Typeflag: tar.TypeLink, Linkname: "../../../../../etc/passwd"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			z, _ := zstd.NewWriter(&b)
			w := tar.NewWriter(z)
			for _, h := range entries {
				h.Format = tar.FormatPAX
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
			}
			w.Close()
			z.Close()
			if err := Unpack(&b, t.TempDir()); err == nil {
				t.Error("it was unpacked")
			}
		})
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("something was made outside: %v", entries)
	}
}
