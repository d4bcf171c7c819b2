package layer

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

var epoch = time.Unix(1_700_000_000, 0)

// sample makes a tree with what layers must keep.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "usr/bin/zz"), []byte("linked"), 0o755))
	must(os.Link(filepath.Join(dir, "usr/bin/zz"), filepath.Join(dir, "usr/bin/aa")))
	must(os.WriteFile(filepath.Join(dir, "usr/bin/bash"), bytes.Repeat([]byte("shell "), 50_000), 0o755))
	must(os.Symlink("usr/bin", filepath.Join(dir, "bin")))
	must(os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	must(unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	must(os.Mkdir(filepath.Join(dir, "sticky"), 0o755))
	must(os.Chmod(filepath.Join(dir, "sticky"), 0o777|os.ModeSticky))
	must(os.Chtimes(filepath.Join(dir, "file"), epoch, time.Unix(1_600_000_000, 5)))
	if err := unix.Setxattr(filepath.Join(dir, "file"), "user.note", []byte("kept"), 0); err != nil {
		t.Logf("SKIP: no extended attributes here: %v", err)
	}
	return dir
}

func packed(t *testing.T, path string, c Compression) (*Layer, []byte) {
	t.Helper()
	tree, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if !tree.Has("/bin/bash") || tree.Has("/bin/nothing") {
		t.Error("the shell is not found")
	}
	l, err := Pack(t.Context(), tree, epoch, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	data := make([]byte, l.Size)
	if _, err := l.File.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return l, data
}

func TestContents(t *testing.T) {
	dir := sample(t)
	_, data := packed(t, dir, Gzip)
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	type member struct {
		Name, Link string
		Type       byte
		Mode, Size int64
	}
	var got []member
	attributes := map[string]string{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, member{h.Name, h.Linkname, h.Typeflag, h.Mode, h.Size})
		if h.ModTime.After(epoch) || h.ModTime.Nanosecond() != 0 || h.Uname != "" {
			t.Errorf("%s: %v %q", h.Name, h.ModTime, h.Uname)
		}
		for name, value := range h.PAXRecords {
			attributes[h.Name+" "+name] = value
		}
	}
	want := []member{
		{"bin", "usr/bin", tar.TypeSymlink, 0o777, 0},
		{"fifo", "", tar.TypeFifo, 0o644, 0},
		{"file", "", tar.TypeReg, 0o600, 1},
		{"sticky/", "", tar.TypeDir, 0o1777, 0},
		{"usr/", "", tar.TypeDir, 0o755, 0},
		{"usr/bin/", "", tar.TypeDir, 0o755, 0},
		{"usr/bin/aa", "", tar.TypeReg, 0o755, 6},
		{"usr/bin/bash", "", tar.TypeReg, 0o755, 300_000},
		{"usr/bin/zz", "usr/bin/aa", tar.TypeLink, 0o755, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if unix.Setxattr(filepath.Join(dir, "file"), "user.other", nil, 0) == nil {
		if diff := cmp.Diff(map[string]string{"file SCHILY.xattr.user.note": "kept"}, attributes); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
	}
}

// A folder and archives of it, in any order, packed or not, give the same layer.
func TestReproducible(t *testing.T) {
	dir := sample(t)
	want, _ := packed(t, dir, Gzip)
	wantZstd, _ := packed(t, dir, Zstd)
	if want.DiffID != wantZstd.DiffID || want.Digest == wantZstd.Digest {
		t.Errorf("gzip %+v, zstd %+v", want, wantZstd)
	}
	archives := t.TempDir()
	for name, command := range map[string]string{
		"plain.tar":    `tar --xattrs -C "$1" -cf "$2" .`,
		"reversed.tar": `cd "$1" && find . -mindepth 1 | sort -r | tar --xattrs --no-recursion -cf "$2" -T -`,
		"x.tar.gz":     `tar --xattrs -C "$1" -czf "$2" .`,
		"x.tar.zst":    `tar --xattrs -C "$1" --zstd -cf "$2" .`,
	} {
		path := filepath.Join(archives, name)
		if out, err := exec.Command("sh", "-c", command, "sh", dir, path).CombinedOutput(); err != nil {
			t.Logf("SKIP: %s: %v\n%s", name, err, out)
			continue
		}
		for c, want := range map[Compression]*Layer{Gzip: want, Zstd: wantZstd} {
			got, _ := packed(t, path, c)
			if got.Digest != want.Digest || got.DiffID != want.DiffID || got.Size != want.Size {
				t.Errorf("%s %s: %s, want %s", name, c, got.Digest, want.Digest)
			}
		}
	}
}

func TestZstd(t *testing.T) {
	l, data := packed(t, sample(t), Zstd)
	r, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n < 300_000 || !strings.HasSuffix(string(l.MediaType), "zstd") {
		t.Errorf("%d bytes, %v, %s", n, err, l.MediaType)
	}
}

func TestBadArchives(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, headers ...tar.Header) string {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			w.WriteHeader(&h)
		}
		w.Close()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		write("link.tar", tar.Header{Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}): "a is a link to b, which is not before it",
		write("type.tar", tar.Header{Typeflag: '9', Name: "a"}):                         "is not known",
		filepath.Join(dir, "missing"):                                                   "no such file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	text := filepath.Join(dir, "text.tar")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no archive "), 200), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(text); err == nil {
		t.Error("text is read as an archive")
	}
	// Whatever a name says, it is inside.
	tree, err := Open(write("up.tar", tar.Header{Typeflag: tar.TypeSymlink, Name: "../../etc/x", Linkname: "y"}))
	if err != nil {
		t.Fatal(err)
	}
	if !tree.Has("etc/x") {
		t.Error("the name was not taken as one inside")
	}
}
