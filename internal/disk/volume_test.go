package disk

import (
	"os"
	"path/filepath"
	"testing"
)

// A link that leads out of the tree is no way to a mount point.
func TestSplitStaysInside(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(root, "boot")); err != nil {
		t.Fatal(err)
	}
	p := &Plan{Partitions: []Partition{
		{Number: 1, FS: &Filesystem{Type: "vfat", Mount: "/boot/efi"}},
		{Number: 2, FS: &Filesystem{Type: "ext4", Mount: "/"}},
	}}
	if _, err := p.split(root, t.TempDir()); err == nil {
		t.Error("it was split")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside is %v", left)
	}
}
