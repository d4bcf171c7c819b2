package residue

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// plant makes files, folders (with a slash at the end) and links ("a -> b").
func plant(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		name, target, link := strings.Cut(name, " -> ")
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case link:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, []byte("x"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRemove(t *testing.T) {
	tree := t.TempDir()
	plant(t, tree, "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub", "etc/ssh/sshd_config", "etc/machine-id", "usr/lib/systemd/systemd",
		"var/lib/systemd/random-seed", "var/lib/dbus/machine-id -> ../../../etc/machine-id", "var/log/dnf5.log", "var/log/journal/1/system.journal", "var/log/mine.log",
		"tmp/a/b", "var/tmp/c", "run/lock/d", "etc/.pwd.lock", "root/.bash_history", "root/.bashrc", "var/cache/dnf/x/y", "var/cache/mine")
	if err := Remove(context.Background(), tree, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	want := []string{"etc/machine-id", "etc/ssh/sshd_config", "root/.bashrc", "usr/lib/systemd/systemd", "var/cache/mine", "var/lib/dbus/machine-id", "var/log/mine.log"}
	if got := files(t, tree); !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
	if st, err := os.Stat(filepath.Join(tree, "etc/machine-id")); err != nil || st.Size() != 0 || st.Mode() != 0o444 {
		t.Errorf("machine-id: %v, %v", st, err)
	}
	for _, dir := range []string{"tmp", "var/tmp", "run"} {
		if st, err := os.Stat(filepath.Join(tree, dir)); err != nil || !st.IsDir() {
			t.Errorf("%s is gone: %v", dir, err)
		}
	}
}

// Links that scripts made lead nowhere but into the tree.
func TestRemoveStaysInside(t *testing.T) {
	for _, link := range []string{"var", "tmp", "var/log", "var/cache/dnf", "etc", "etc/ssh", "root", "boot"} {
		outside, tree := t.TempDir(), t.TempDir()
		host := []string{"cache/dnf/x", "dnf5.log", "journal/x", "log/dnf5.log", "machine-id", "ssh/ssh_host_rsa_key", "ssh_host_rsa_key", "tmp/x", "x"}
		plant(t, outside, host...)
		plant(t, tree, "usr/lib/systemd/systemd", link+" -> "+outside)
		Remove(context.Background(), tree, t.TempDir()) // may say that it cannot
		if got := files(t, outside); !slices.Equal(got, host) {
			t.Errorf("/%s is a link: outside are left %q, want %q", link, got, host)
		}
	}
}

func TestMachineIDOfScripts(t *testing.T) {
	tree := t.TempDir()
	plant(t, tree, "usr/lib/systemd/systemd", "etc/")
	path := filepath.Join(tree, "etc/machine-id")
	if err := os.WriteFile(path, []byte("uninitialized\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := Remove(context.Background(), tree, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "uninitialized\n" {
		t.Errorf("machine-id is %q", text)
	}
}

func TestClampAndSize(t *testing.T) {
	tree, outside := t.TempDir(), t.TempDir()
	plant(t, outside, "far")
	plant(t, tree, "new", "old", "link -> "+filepath.Join(outside, "far"))
	if err := os.Link(filepath.Join(tree, "new"), filepath.Join(tree, "hard")); err != nil {
		t.Fatal(err)
	}
	past := time.Unix(1000, 5)
	if err := os.Chtimes(filepath.Join(tree, "old"), past, past); err != nil {
		t.Fatal(err)
	}
	if err := Clamp(tree, 1700000000); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{"new": time.Unix(1700000000, 0), "old": past, "link": time.Unix(1700000000, 0), ".": time.Unix(1700000000, 0)} {
		if st, err := os.Lstat(filepath.Join(tree, name)); err != nil || !st.ModTime().Equal(want) {
			t.Errorf("%s is of %v, want %v", name, st.ModTime(), want)
		}
	}
	if st, _ := os.Stat(filepath.Join(outside, "far")); st.ModTime().Unix() == 1700000000 {
		t.Error("a link was followed")
	}
	if size, err := Size(tree); err != nil || size != 2 {
		t.Errorf("size is %d, %v, want 2: hard links count once", size, err)
	}
}
