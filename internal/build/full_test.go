package build

import (
	"fmt"
	"os"
	"testing"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"golang.org/x/sys/unix"
)

// small mounts a file system that is soon full; it goes away with the test's namespace at the latest.
func small(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// Where the disk is full, it says which, and leaves nothing behind.
func TestFullDisk(t *testing.T) {
	b := newBench(t)
	dir := small(t, 10<<20)
	b.Output = dir + "/out"
	b.fails(t, tinyDisk+tinyPackages, "No space left on device", "hint: free are ", " in "+b.Output)
	b.onlyHas(t, "tiny-43-0.x86_64.failed.log")

	b = newBench(t)
	dir = small(t, 10<<20)
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b.Fetcher = &fetch.Fetcher{Cache: c}
	b.fails(t, tinyDisk+tinyPackages, "no space left on device", dir, "make room, or go elsewhere with --output and RESPIN_CACHE")
	if entries, _ := os.ReadDir(dir + "/entries"); len(entries) > 0 {
		t.Errorf("the cache has %v", entries)
	}
}

// The downloads fit and what is made of them does not.
func TestFullCache(t *testing.T) {
	b := newBench(t)
	dir := small(t, 90<<20)
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b.Fetcher = &fetch.Fetcher{Cache: c}
	b.fails(t, tinyDisk+tinyPackages, "no space left on device", dir, "make room, or go elsewhere with --output and RESPIN_CACHE")
	entries, err := os.ReadDir(dir + "/entries/buildroot")
	if err == nil && len(entries) > 0 {
		t.Errorf("the cache has %v", entries)
	}
}
