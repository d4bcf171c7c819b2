package build

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

// thing is a package in one of its versions.
func thing(version string) rpmtest.Package {
	return rpmtest.Package{Name: "thing", Version: version, Key: signer, Files: []rpmtest.File{{Path: "/usr/share/thing", Data: "version " + version}}}
}

func lockOf(t *testing.T, m *manifest.Manifest) *lock.Lock {
	t.Helper()
	l, err := lock.Read(m.Path(m.Artifact("lock").Path))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A lock gives the same bits after the repository has moved on, as long as the
// packages can still be had, and says which cannot.
func TestLocked(t *testing.T) {
	b := newBench(t)
	dir := b.extra(t, signer, thing("1.0"))
	text := tinyDisk + "repo --name=more --baseurl=" + dir + "\n%packages --excludedocs\n@core\nthing\n%end\n"
	first := b.mustBuild(t, text)
	want := read(t, first.Path(first.Artifact("raw").Path))
	held := lockOf(t, first)

	// The repository gets a newer version, and keeps the old one at first.
	old, err := os.ReadFile(filepath.Join(dir, "Packages/0.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	moved := extra(t, thing("2.0"))
	for _, part := range []string{"repodata", "Packages"} {
		if err := os.RemoveAll(filepath.Join(dir, part)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(moved, part))); err != nil {
			t.Fatal(err)
		}
	}
	if newer := b.mustBuild(t, text); read(t, newer.Path(newer.Artifact("raw").Path)) == want {
		t.Error("the newer version makes no difference")
	}
	b.Locks = []*lock.Lock{held}
	again := b.mustBuild(t, text)
	if read(t, again.Path(again.Artifact("raw").Path)) != want {
		t.Error("from the cache, the disk is another one")
	}
	if got, err := lockOf(t, again).Digest(); err != nil || got != first.Build.Lock {
		t.Errorf("the lock is another one: %s, %v", got, err)
	}

	// The old one is gone, also from the cache.
	digest, err := cache.ParseDigest(held.Packages[slices.IndexFunc(held.Packages, func(p manifest.Package) bool { return p.Name == "thing" })].Checksum)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(sharedCache, "blobs/sha256", digest.Hex[:2], digest.Hex)); err != nil {
		t.Fatal(err)
	}
	b.fails(t, text, "fetching what the lock lists: fetching thing-1.0-1.noarch ("+digest.String()+"): ", "hint: if it has been dropped there, build without --locked")

	// It is there once more, under another name than the metadata's.
	if err := os.WriteFile(filepath.Join(dir, "Packages/0.rpm"), old, 0o644); err != nil {
		t.Fatal(err)
	}
	again = b.mustBuild(t, text)
	if read(t, again.Path(again.Artifact("raw").Path)) != want {
		t.Error("from the repository, the disk is another one")
	}
}

// A lock that is not this kickstart's is refused.
func TestLockDoesNotFit(t *testing.T) {
	b := newBench(t)
	dir := b.extra(t, signer, thing("1.0"))
	text := tinyDisk + "repo --name=more --baseurl=" + dir + "\n%packages --excludedocs\n@core\nthing\n%end\n"
	held := lockOf(t, b.mustBuild(t, text))
	b.Locks = []*lock.Lock{held}
	b.fails(t, tinyDisk+"repo --name=more --baseurl="+dir+"\n"+tinyPackages, "the lock lists thing-1.0-1.noarch, which this kickstart does not install", "hint: build without --locked to get a new lock")
	b.fails(t, tinyDisk+tinyPackages, `the lock takes packages from a repository "more", which the kickstart does not name`)
	b.fails(t, tinyDisk+"repo --name=more --baseurl="+dir+"\n%packages --excludedocs\n@core\nthing\nparted\n%end\n", `no repository has a package "parted"`, "hint: a locked build has only what the lock lists")
	other := *held
	other.Image.Version = "44"
	b.Locks = []*lock.Lock{&other, held}
	b.mustBuild(t, text)
	held.Image.Arch = "aarch64"
	b.fails(t, text, "the lock is for tiny 44 on x86_64, and for tiny 43 on aarch64", "hint: choose images with ks-render --release and --arch, or give each its lock with --locked")
}
