package rpm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

const (
	dir  = 0o040000
	link = 0o120000
	fifo = 0o010000
	char = 0o020000
)

// build writes packages to files and reads them.
func build(t testing.TB, packages ...rpmtest.Package) []*rpm.Package {
	t.Helper()
	var all []*rpm.Package
	folder := t.TempDir()
	for i, p := range packages {
		path := filepath.Join(folder, fmt.Sprint(i, ".rpm"))
		if err := os.WriteFile(path, p.Build(), 0o644); err != nil {
			t.Fatal(err)
		}
		pkg, err := rpm.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pkg)
	}
	return all
}

// newRoot makes a folder to unpack into.
func newRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	t.Cleanup(func() { // an ordinary user cannot remove what is in a folder that is not writable
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() {
				os.Chmod(path, 0o700)
			}
			return nil
		})
	})
	return root
}

// tree describes a folder: a line for each file with mode, time, path and content.
func tree(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil || path == root {
			return err
		}
		content := ""
		switch {
		case st.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			content = " -> " + target
		case st.Mode().IsRegular():
			data, _ := os.ReadFile(path)
			content = fmt.Sprintf(" %q", data)
		}
		if links := st.Sys().(*syscall.Stat_t).Nlink; links > 1 && !d.IsDir() {
			content += fmt.Sprintf(" (%d links)", links)
		}
		fmt.Fprintf(&b, "%v %s%s\n", st.Mode(), strings.TrimPrefix(path, root), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExtract(t *testing.T) {
	files := []rpmtest.File{
		{Path: "/usr", Mode: dir | 0o555},
		{Path: "/usr/bin", Mode: dir | 0o755},
		{Path: "/usr/bin/a", Mode: 0o755, Data: "program", MTime: 1000000000},
		{Path: "/usr/bin/b", Mode: 0o755, Data: "program", Inode: 3, MTime: 1000000000},
		{Path: "/usr/bin/c", Mode: link | 0o777, Link: "a", MTime: 1000000000},
		{Path: "/usr/bin/d", Mode: 0o4755, Data: "set-uid"},
		{Path: "/usr/share/doc/a", Data: "", Flags: rpm.FlagDoc},
		{Path: "/usr/share/big", Data: strings.Repeat("0123456789abcdef", 100000)},
		{Path: "/run/ghost", Flags: rpm.FlagGhost, Absent: true},
		{Path: "/run/pipe", Mode: fifo | 0o600},
	}
	files[2].Inode = 3
	const want = `drwxr-xr-x /run
prw------- /run/pipe
dr-xr-xr-x /usr
drwxr-xr-x /usr/bin
-rwxr-xr-x /usr/bin/a "program" (2 links)
-rwxr-xr-x /usr/bin/b "program" (2 links)
Lrwxrwxrwx /usr/bin/c -> a
-rwxr-xr-x /usr/bin/d "set-uid"
drwxr-xr-x /usr/share
-rw-r--r-- /usr/share/big "…"
drwxr-xr-x /usr/share/doc
-rw-r--r-- /usr/share/doc/a ""
`
	for _, p := range []rpmtest.Package{{}, {Compression: "gzip"}, {Compression: "zstd"}, {Stripped: true}} {
		p.Files = files
		root := newRoot(t)
		packages := build(t, p)
		for range 2 { // the second time over what is there
			if err := rpm.Extract(context.Background(), root, packages, rpm.Options{}); err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(tree(t, root), strings.Repeat("0123456789abcdef", 100000), "…")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		st, err := os.Lstat(filepath.Join(root, "usr/bin/c"))
		if err != nil || st.ModTime().Unix() != 1000000000 {
			t.Errorf("the link's time is %v, %v", st.ModTime(), err)
		}
		root = newRoot(t)
		if err := rpm.Extract(context.Background(), root, packages, rpm.Options{SkipDocs: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(root, "usr/share/doc")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("documentation is there: %v", err)
		}
	}
}

func TestExtractAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIP: only root can give files away")
	}
	packages := build(t, rpmtest.Package{Files: []rpmtest.File{
		{Path: "/d", Mode: dir | 0o2775, Group: "mail"},
		{Path: "/d/a", Mode: 0o4711, User: "mail", Group: "mail", Data: "x"},
		{Path: "/d/b", Mode: link | 0o777, User: "mail", Link: "a"},
		{Path: "/d/c", User: "nobody-knows", Data: "y", Caps: "cap_net_raw,cap_net_admin=ep"},
	}})
	root := newRoot(t)
	owner := rpm.LookupOwner([]byte("root:x:0:0::/:\nmail:x:8:12::/:\n"), []byte("root:x:0:\nmail:x:12:\nbad\nalso:x:y\n"))
	if err := rpm.Extract(context.Background(), root, packages, rpm.Options{Owner: owner, Capabilities: true}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][3]uint32{
		"d": {0o42775, 0, 12}, "d/a": {0o104711, 8, 12}, "d/b": {0o120777, 8, 0}, "d/c": {0o100644, 0, 0},
	} {
		var st syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(root, path), &st); err != nil {
			t.Fatal(err)
		}
		if got := [3]uint32{st.Mode, st.Uid, st.Gid}; got != want {
			t.Errorf("%s: mode, uid and gid are %o, want %o", path, got, want)
		}
	}
	value := make([]byte, 64)
	n, err := syscall.Getxattr(filepath.Join(root, "d/c"), "security.capability", value)
	if want := "\x01\x00\x00\x02\x00\x30\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"; err != nil || string(value[:n]) != want {
		t.Errorf("capabilities are %x, %v", value[:n], err)
	}
	if getcap, err := exec.LookPath("getcap"); err == nil {
		out, _ := exec.Command(getcap, filepath.Join(root, "d/c")).Output()
		if !strings.Contains(string(out), "cap_net_admin,cap_net_raw=ep") {
			t.Errorf("getcap says %q", out)
		}
	}
}

// Root runs the tests of this file once more as somebody who may not write to
// folders that are not writable.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIP: everything runs as an ordinary user already")
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o777)
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rpm.test")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-test.run", "^TestExtract")
	cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + dir, "HOME=" + dir}
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// Packages with merged and not yet merged paths meet in one place, in
// whatever order they are given.
func TestExtractMergedUsr(t *testing.T) {
	filesystem := rpmtest.Package{Name: "filesystem", Files: []rpmtest.File{
		{Path: "/bin", Mode: link | 0o777, Link: "usr/bin"},
		{Path: "/lib", Mode: link | 0o777, Link: "/usr/lib"},
		{Path: "/usr/bin", Mode: dir | 0o555},
		{Path: "/usr/lib", Mode: dir | 0o555},
		{Path: "/var/run", Mode: link | 0o777, Link: "../run"},
		{Path: "/run", Mode: dir | 0o755},
	}}
	a := rpmtest.Package{Name: "a", Files: []rpmtest.File{
		{Path: "/bin/sh", Mode: 0o755, Data: "shell"},
		{Path: "/lib/x/y", Data: "y"},
		{Path: "/var/run/z", Data: "z"},
		{Path: "/lib", Mode: dir | 0o755},
	}}
	const want = `Lrwxrwxrwx /bin -> usr/bin
Lrwxrwxrwx /lib -> /usr/lib
drwxr-xr-x /run
-rw-r--r-- /run/z "z"
drwxr-xr-x /usr
dr-xr-xr-x /usr/bin
-rwxr-xr-x /usr/bin/sh "shell"
dr-xr-xr-x /usr/lib
drwxr-xr-x /usr/lib/x
-rw-r--r-- /usr/lib/x/y "y"
drwxr-xr-x /var
Lrwxrwxrwx /var/run -> ../run
`
	for _, order := range [][]rpmtest.Package{{filesystem, a}, {a, filesystem}} {
		root := newRoot(t)
		if err := rpm.Extract(context.Background(), root, build(t, order...), rpm.Options{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tree(t, root)); diff != "" {
			t.Error(diff)
		}
		// And one after the other, where the links are in root already.
		if order[0].Name == "filesystem" {
			root = newRoot(t)
			for _, p := range order {
				if err := rpm.Extract(context.Background(), root, build(t, p), rpm.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, tree(t, root)); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestExtractConflicts(t *testing.T) {
	one := func(name string, f rpmtest.File) rpmtest.Package {
		return rpmtest.Package{Name: name, Files: []rpmtest.File{f}}
	}
	for name, test := range map[string]struct {
		a, b rpmtest.File
		want string // content, or what the error says
	}{
		"the same":        {rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "x"}, "x"},
		"content":         {rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "y"}, "file /f of a-1.0-1.noarch conflicts with that of b-1.0-1.noarch"},
		"mode":            {rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "x", Mode: 0o600}, "conflicts"},
		"owner":           {rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "x", User: "mail"}, "conflicts"},
		"type":            {rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Mode: link | 0o777, Link: "x"}, "conflicts"},
		"links":           {rpmtest.File{Path: "/f", Mode: link | 0o777, Link: "y"}, rpmtest.File{Path: "/f", Mode: link | 0o777, Link: "x"}, "conflicts"},
		"folder and file": {rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f/g", Data: "x"}, "/f is a file, but other files are in it"},
		"ghost":           {rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "y", Flags: rpm.FlagGhost, Absent: true}, "x"},
		"colours":         {rpmtest.File{Path: "/f", Data: "64", Color: 2}, rpmtest.File{Path: "/f", Data: "32", Color: 1}, "64"},
		"colours too":     {rpmtest.File{Path: "/f", Data: "32", Color: 1}, rpmtest.File{Path: "/f", Data: "64", Color: 2}, "64"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := one("a", test.a), one("b", test.b)
			for _, order := range [][]rpmtest.Package{{a, b}, {b, a}} {
				root := newRoot(t)
				err := rpm.Extract(context.Background(), root, build(t, order...), rpm.Options{})
				if err != nil {
					if !strings.Contains(err.Error(), test.want) || tree(t, root) != "" {
						t.Errorf("error is %v, tree is %q", err, tree(t, root))
					}
					continue
				}
				if got, _ := os.ReadFile(filepath.Join(root, "f")); string(got) != test.want {
					t.Errorf("content is %q, want %q", got, test.want)
				}
			}
		})
	}
}

// Nothing that a package says leads out of the root.
func TestExtractEscapes(t *testing.T) {
	for name, test := range map[string]struct {
		packages []rpmtest.Package
		prepare  func(root, outside string)
		err      string // what the error says; empty if it must succeed, inside
		inside   string // a file that must be there then
	}{
		"dots in the header": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/../evil", Data: "x"}}}},
			err:      `path "/../evil" is not absolute and clean`,
		},
		"relative in the header": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "evil", Data: "x"}}}},
			err:      "does not end in a slash",
		},
		"dots in the archive": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/good", Data: "x"}}, Entries: rename("../evil")}},
			err:      `it has "../evil", which the header does not`,
		},
		"absolute in the archive": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/good", Data: "x"}}, Entries: rename("/OUTSIDE/evil")}},
			err:      "which the header does not",
		},
		"through an absolute link": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/l", Mode: link | 0o777, Link: "OUTSIDE"}, {Path: "/l/evil", Data: "x"}}}},
			inside:   "OUTSIDE/evil",
		},
		"through a relative link": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/l", Mode: link | 0o777, Link: "../../../../../../../../OUTSIDE"}, {Path: "/l/evil", Data: "x"}}}},
			inside:   "OUTSIDE/evil",
		},
		"through another package's link": {
			packages: []rpmtest.Package{
				{Name: "b", Files: []rpmtest.File{{Path: "/l", Mode: link | 0o777, Link: "OUTSIDE"}}},
				{Name: "a", Files: []rpmtest.File{{Path: "/l/evil", Data: "x"}}},
			},
			inside: "OUTSIDE/evil",
		},
		"through a link that was there": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/l/evil", Data: "x"}}}},
			prepare:  func(root, outside string) { os.Symlink(outside, filepath.Join(root, "l")) },
			inside:   "OUTSIDE/evil",
		},
		"through a chain of links": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{
				{Path: "/a", Mode: link | 0o777, Link: "b/c"}, {Path: "/b", Mode: link | 0o777, Link: "d"}, {Path: "/d", Mode: dir | 0o755},
				{Path: "/d/c", Mode: link | 0o777, Link: "OUTSIDE"}, {Path: "/a/evil", Data: "x"},
			}}},
			inside: "OUTSIDE/evil",
		},
		"a link where a file comes": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/evil", Data: "x"}}}},
			prepare:  func(root, outside string) { os.Symlink(filepath.Join(outside, "evil"), filepath.Join(root, "evil")) },
			inside:   "evil",
		},
		"a hard link where a file comes": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/canary", Data: "x"}}}},
			prepare:  func(root, outside string) { os.Link(filepath.Join(outside, "canary"), filepath.Join(root, "canary")) },
			inside:   "canary",
		},
		"a loop of links": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{
				{Path: "/a", Mode: link | 0o777, Link: "b"}, {Path: "/b", Mode: link | 0o777, Link: "a"}, {Path: "/a/evil", Data: "x"},
			}}},
			err: "too many levels of symbolic links",
		},
		"a link into itself": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/a", Mode: link | 0o777, Link: "a/b"}, {Path: "/a/evil", Data: "x"}}}},
			err:      "too many levels of symbolic links",
		},
		"a folder link": { // its mode must not be set through a link either
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/l", Mode: dir | 0o700}}}},
			prepare:  func(root, outside string) { os.Symlink(outside, filepath.Join(root, "l")) },
			inside:   "OUTSIDE",
		},
		"a device": {
			packages: []rpmtest.Package{{Files: []rpmtest.File{{Path: "/sda", Mode: char | 0o666}}}},
			err:      "/sda is a device node",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, outside := newRoot(t), t.TempDir()
			os.WriteFile(filepath.Join(outside, "canary"), []byte("untouched"), 0o640)
			before := tree(t, outside)
			for i := range test.packages {
				p := &test.packages[i]
				for j := range p.Files {
					p.Files[j].Link = strings.Replace(p.Files[j].Link, "OUTSIDE", outside, 1)
				}
			}
			if test.prepare != nil {
				test.prepare(root, outside)
			}
			err := rpm.Extract(context.Background(), root, build(t, test.packages...), rpm.Options{})
			if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) || test.err == "" && err != nil {
				t.Errorf("error is %v, want %q", err, test.err)
			}
			if test.inside != "" {
				if _, err := os.Lstat(filepath.Join(root, strings.Replace(test.inside, "OUTSIDE", outside, 1))); err != nil {
					t.Error(err)
				}
			}
			after := strings.ReplaceAll(tree(t, outside), " (2 links)", "")
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("outside of the root:\n%s", diff)
			}
		})
	}
}

func rename(to string) func([]rpmtest.Entry) []rpmtest.Entry {
	return func(e []rpmtest.Entry) []rpmtest.Entry {
		e[0].Name = to
		return e
	}
}

// What the archive says and the header does not.
func TestExtractMismatch(t *testing.T) {
	files := []rpmtest.File{{Path: "/a", Data: "one"}, {Path: "/b", Mode: link | 0o777, Link: "a"}}
	change := func(do func(e []rpmtest.Entry) []rpmtest.Entry) rpmtest.Package {
		return rpmtest.Package{Files: files, Entries: do}
	}
	for name, test := range map[string]struct {
		p    rpmtest.Package
		want string
	}{
		"another content": {change(func(e []rpmtest.Entry) []rpmtest.Entry { e[0].Data = "two"; return e }), "/a: malformed package: payload: its content does not have the header's digest"},
		"longer":          {change(func(e []rpmtest.Entry) []rpmtest.Entry { e[0].Data = "three"; return e }), "it has 5 bytes, in the header 3"},
		"another type":    {change(func(e []rpmtest.Entry) []rpmtest.Entry { e[0].Mode = link | 0o777; return e }), "its type is 120000, in the header 100000"},
		"another target":  {change(func(e []rpmtest.Entry) []rpmtest.Entry { e[1].Data = "c"; return e }), `its target is "c", in the header "a"`},
		"longer target":   {change(func(e []rpmtest.Entry) []rpmtest.Entry { e[1].Data = "/etc/shadow"; return e }), `its target is not "a"`},
		"missing":         {change(func(e []rpmtest.Entry) []rpmtest.Entry { return e[:1] }), "it lacks /b"},
		"twice":           {change(func(e []rpmtest.Entry) []rpmtest.Entry { return append(e, e[0]) }), "it has /a twice"},
		"more":            {change(func(e []rpmtest.Entry) []rpmtest.Entry { return append(e, rpmtest.Entry{Name: "./c", Mode: 0o100644}) }), `it has "./c", which the header does not`},
		"huge":            {change(func(e []rpmtest.Entry) []rpmtest.Entry { e[0].Size = 0xffffffff; return e }), "it has 4294967295 bytes"},
		"no archive":      {rpmtest.Package{Files: files, Archive: func([]byte) []byte { return []byte("something else") }}, "\"someth\" is no cpio entry"},
		"nothing":         {rpmtest.Package{Files: files, Archive: func([]byte) []byte { return nil }}, "unexpected EOF"},
		"cut":             {rpmtest.Package{Files: files, Archive: func(b []byte) []byte { return b[:150] }}, "unexpected EOF"},
		"bad number":      {rpmtest.Package{Files: files, Archive: func(b []byte) []byte { b[10] = '+'; return b }}, "is no number"},
		"stripped, index": {rpmtest.Package{Files: files, Stripped: true, Archive: func(b []byte) []byte { b[13] = '9'; return b }}, "it has file number 9 of 2"},
		"counts":          {rpmtest.Package{Files: files, Header: func(h *rpmtest.Header) { h.Int16(1030, 0o100644) }}, "tag 1030 has 1 values for 2 files"},
		"folder index":    {rpmtest.Package{Files: files, Header: func(h *rpmtest.Header) { h.Int32(1116, 0, 7) }}, `file "b" is in folder 7 of 1`},
		"slash in a name": {rpmtest.Package{Files: files, Header: func(h *rpmtest.Header) { h.Strings(1117, "a", "../b") }}, `file name "../b" has a slash`},
		"no type":         {rpmtest.Package{Files: files, Header: func(h *rpmtest.Header) { h.Int16(1030, 0o644, 0o120777) }}, "is of no known type"},
		"source":          {rpmtest.Package{Files: files, Header: func(h *rpmtest.Header) { h.Delete(1044) }}, "hello-1.0-1.src: is a source package"},
	} {
		t.Run(name, func(t *testing.T) {
			err := rpm.Extract(context.Background(), newRoot(t), build(t, test.p), rpm.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "unpacking hello-1.0-1") {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}

// A payload is not read further than the header says that it goes.
func TestExtractBomb(t *testing.T) {
	bomb := rpmtest.Package{Files: []rpmtest.File{{Path: "/a", Data: "small"}}, Compression: "zstd",
		Entries: func(e []rpmtest.Entry) []rpmtest.Entry {
			e[0].Data = strings.Repeat("\x00", 200<<20)
			return e
		}}
	err := rpm.Extract(context.Background(), newRoot(t), build(t, bomb), rpm.Options{})
	if err == nil || !strings.Contains(err.Error(), "it has 209715200 bytes, in the header 5") {
		t.Errorf("error is %v", err)
	}
}

func TestExtractCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := rpm.Extract(ctx, t.TempDir(), build(t, somePackage), rpm.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestReadHostileHeaders(t *testing.T) {
	good := somePackage.Build()
	header := bytes.LastIndex(good, []byte{0x8e, 0xad, 0xe8, 1})
	for name, test := range map[string]struct {
		edit func([]byte) []byte
		want string
	}{
		"no lead":      {func(b []byte) []byte { return []byte("<html>") }, "lead: unexpected EOF"},
		"other file":   {func(b []byte) []byte { return make([]byte, 200) }, "lead: is not an RPM package"},
		"old lead":     {func(b []byte) []byte { b[4] = 2; return b }, "package format 2 is not supported"},
		"no magic":     {func(b []byte) []byte { b[96] = 0; return b }, "signature: bad magic"},
		"many entries": {func(b []byte) []byte { copy(b[header+8:], "\x00\x00\xff\xff"); return b }, "header: unexpected EOF"},
		"more entries": {func(b []byte) []byte { copy(b[header+8:], "\x7f\xff\xff\xff"); return b }, "are out of bounds"},
		"huge data":    {func(b []byte) []byte { copy(b[header+12:], "\x0f\xff\xff\xfe"); return b }, "header: unexpected EOF"},
		"more data":    {func(b []byte) []byte { copy(b[header+12:], "\x7f\xff\xff\xff"); return b }, "are out of bounds"},
		"region":       {func(b []byte) []byte { b[header+16+11] ^= 16; return b }, "header: region: bad entry"},
		"trailer": {func(b []byte) []byte {
			at := bytes.LastIndex(b, []byte("\x00\x00\x00\x3f\x00\x00\x00\x07"))
			b[at+11]++
			return b
		}, "header: region: bad length"},
		"short region": {func(b []byte) []byte {
			at := bytes.LastIndex(b, []byte("\x00\x00\x00\x3f\x00\x00\x00\x07"))
			b[at+11] += 16
			return b
		}, "does not cover the whole header"},
		"no region": {func(b []byte) []byte { b[header+16+3] = 61; return b }, "misplaced region"},
		"tag":       {func(b []byte) []byte { b[header+32+2], b[header+32+3] = 0, 5; return b }, "misplaced region"},
		"type":      {func(b []byte) []byte { b[header+32+7] = 10; return b }, "unknown type"},
		"null":      {func(b []byte) []byte { b[header+32+7] = 0; return b }, "unknown type"},
		"offset":    {func(b []byte) []byte { b[header+32+8] = 0x7f; return b }, "begins outside the header"},
		"negative":  {func(b []byte) []byte { b[header+32+8] = 0xff; return b }, "overlaps"},
		"count":     {func(b []byte) []byte { b[header+32+12] = 0x7f; return b }, "bad number of elements"},
		"twice":     {func(b []byte) []byte { copy(b[header+48:], b[header+32:header+36]); return b }, "stands there twice"},
		"overlap":   {func(b []byte) []byte { copy(b[header+56:], b[header+40:header+44]); return b }, "overlaps"},
	} {
		_, err := rpm.Read(bytes.NewReader(test.edit(bytes.Clone(good))))
		var e *rpm.FormatError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %q", name, err, test.want)
		}
	}
	for _, bad := range []string{"", "a/b", "a b", "a\nb", "\x1b[2J"} {
		p := somePackage
		p.Header = func(h *rpmtest.Header) { h.String(1000, bad) }
		if _, err := rpm.Read(bytes.NewReader(p.Build())); err == nil {
			t.Errorf("%q is a package name", bad)
		}
	}
}
