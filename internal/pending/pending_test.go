package pending

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// What nobody has locked any more goes; what somebody does, and what only looks alike, stays.
func TestAbandoned(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	path := filepath.Join(dir, "disk")
	for _, name := range []string{".disk1234567890", ".disk.2", ".disk-1234567890", "disk1234567890", ".disk.qcow21234567890"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "run-1234567890", "inside"), 0o755); err != nil {
		t.Fatal(err)
	}
	other, err := Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Cleanup()
	used, err := NewFolder("run-")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := WriteFile(path, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		second, err := NewFolder("run-")
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{".disk-1234567890", ".disk.2", ".disk.qcow21234567890", filepath.Base(other.Name()), "disk", "disk1234567890", filepath.Base(used.Path)}
	got := map[string]bool{}
	for _, name := range names(t, dir) {
		got[name] = true
	}
	for _, name := range want {
		if !got[name] {
			t.Errorf("%s is gone", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("left: %v", got)
	}
	if err := used.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(used.Path); err == nil {
		t.Error("the folder stays")
	}
}

// However many write one file and make folders, none takes another's for abandoned.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 50 {
				if err := WriteFile(filepath.Join(dir, "file"), []byte("data"), 0o644); err != nil {
					t.Error(err)
				}
				f, err := NewFolder("run-")
				if err != nil {
					t.Error(err)
					continue
				}
				if err := os.WriteFile(filepath.Join(f.Path, "x"), nil, 0o644); err != nil {
					t.Error(err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	if diff := cmp.Diff([]string{"file"}, names(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(text) != "data" {
		t.Errorf("%q, %v", text, err)
	}
}
