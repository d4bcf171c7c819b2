package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
	"golang.org/x/sys/unix"
)

// A locked build asks no repository what it has. It makes repositories of its
// own, under the same names, of exactly the packages that the lock lists, and
// then goes on as any build: what was asked for then resolves to what it did
// when the lock was written.

// openLocked makes these repositories in place of the kickstart's.
func (j *job) openLocked(ctx context.Context, configured []repo.Repository) error {
	j.origins = map[string]*repo.Snapshot{}
	for _, r := range configured {
		s, err := repo.Open(ctx, j.Fetcher, r)
		if err != nil { // its mirrors are not known, but the lock says where the packages were
			s = repo.Detached(j.Fetcher, r)
		}
		j.origins[r.Name] = s
	}
	for _, r := range j.lock.Repositories {
		origin := j.origins[r.Name]
		if origin == nil {
			return fmt.Errorf("the lock takes packages from a repository %q, which the kickstart does not name", r.Name)
		}
		s, err := j.recreate(ctx, r, origin)
		if err != nil {
			return err
		}
		j.snapshots = append(j.snapshots, s)
	}
	return nil
}

// chooseLock takes the lock that is this image's. If there are locks, one of them must be.
func (j *job) chooseLock() error {
	want := lock.Image{Name: j.m.Image.Name, Version: j.m.Image.Version, Arch: j.m.Image.Arch}
	var others []string
	for _, l := range j.Locks {
		if l.Image == want {
			j.lock = l
			return nil
		}
		others = append(others, fmt.Sprintf("%s %s on %s", l.Image.Name, l.Image.Version, l.Image.Arch))
	}
	if others == nil {
		return nil
	}
	return hint.Wrap(fmt.Errorf("the lock is for %s", strings.Join(others, ", and for ")), "choose images with ks-render --release and --arch, or give each its lock with --locked")
}

// recreate makes the repository that r was when the lock was written, as far as the lock needs it.
func (j *job) recreate(ctx context.Context, r manifest.Repository, origin *repo.Snapshot) (*repo.Snapshot, error) {
	var list []manifest.Package
	for _, p := range j.lock.Packages {
		if p.Repository == r.Name {
			list = append(list, p)
		}
	}
	fetched, err := j.fetchLocked(ctx, list)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(j.workspace.Dir, "repositories", r.Name)
	var comps []byte
	for _, c := range j.lock.Comps {
		if c.Repository == r.Name {
			comps = c.Text()
		}
	}
	if err := repo.Create(ctx, dir, fetched, comps, repo.WriteOptions{}); err != nil {
		return nil, err
	}
	for _, f := range fetched {
		place := filepath.Join(dir, repo.Place(f.Package))
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			return nil, err
		}
		if err := os.Symlink(f.Path, place); err != nil {
			return nil, err
		}
	}
	local := origin.Repository
	local.BaseURLs, local.Mirrorlist, local.Metalink, local.SignedMetadata = []string{dir}, "", "", false
	local.Includes, local.Excludes = nil, nil
	return repo.Open(ctx, j.Fetcher, local)
}

// fetchLocked fetches packages of the lock, and verifies each like any other.
func (j *job) fetchLocked(ctx context.Context, list []manifest.Package) ([]repo.Fetched, error) {
	packages := make([]*repo.Package, len(list))
	for i, p := range list {
		digest, err := cache.ParseDigest(p.Checksum)
		if err != nil {
			return nil, fmt.Errorf("the lock's %s: %w", p.NEVRA(), err)
		}
		origin := j.origins[p.Repository]
		if origin == nil {
			return nil, fmt.Errorf("the lock's %s is from a repository %q, which the kickstart does not name", p.NEVRA(), p.Repository)
		}
		packages[i] = &repo.Package{
			NEVRA:    rpm.NEVRA{Name: p.Name, EVR: rpm.EVR{Epoch: p.Epoch, Version: p.Version, Release: p.Release}, Arch: p.Arch},
			Snapshot: origin, Checksum: digest, Size: p.Size, Installed: p.Installed, Source: p.Source, License: p.License,
			Location: j.location(p), Former: p.URL,
		}
	}
	fetched, err := repo.Fetch(ctx, j.Fetcher, packages)
	if err != nil {
		return nil, lost(err)
	}
	return fetched, nil
}

// lost says of a package of the lock which file it is, and where it was looked for.
func lost(err error) error {
	e, ok := errors.AsType[*fetch.FileError](err)
	if !ok || errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("fetching what the lock lists: %w", err)
	}
	named := fmt.Errorf("fetching what the lock lists: fetching %s (%s): %w", e.File.Name, e.File.Digest, e.Err)
	if errors.Is(err, fetch.ErrOffline) {
		return hint.Wrap(named, "build once without --offline, with the same cache")
	}
	var places []string
	for _, url := range e.File.URLs {
		places = append(places, fetch.Redact(url))
	}
	named = hint.Wrap(named, "it was looked for at %s", strings.Join(places, ", "))
	return hint.Wrap(named, "if it has been dropped there, build without --locked, or give a place that keeps old packages with --koji or --repo")
}

// location is where a package was within its repository.
func (j *job) location(p manifest.Package) string {
	for _, r := range j.lock.Repositories {
		if base := strings.TrimSuffix(r.URL, "/") + "/"; r.Name == p.Repository && strings.HasPrefix(p.URL, base) {
			return strings.TrimPrefix(p.URL, base)
		}
	}
	return filepath.Base(p.URL)
}

// lockedTools returns the packages of the lock's buildroot.
func (j *job) lockedTools(ctx context.Context) ([]*repo.Package, error) {
	fetched, err := j.fetchLocked(ctx, j.lock.Buildroot)
	if err != nil {
		return nil, err
	}
	packages := make([]*repo.Package, len(fetched))
	for i, f := range fetched {
		packages[i] = f.Package
	}
	return packages, nil
}

// holdLock makes sure that what dnf installed is what the lock lists: it is
// not where the kickstart has changed since. Of a lock that img-plan updated,
// what dnf had no use for is left out: nothing needs it any more, or another
// package took its place. The rest is then the lock that was built.
func (j *job) holdLock() error {
	if j.lock == nil {
		return nil
	}
	installed := map[string]bool{}
	for _, r := range j.installed {
		installed[r.Checksum] = true
	}
	if j.lock.Updated {
		whole := j.lock
		j.lock = whole.Only(func(p manifest.Package) bool { return installed[p.Checksum] })
		if left := len(whole.Packages) - len(j.lock.Packages); left > 0 {
			j.Report.Printf("packages of the lock that nothing needs any more: %d: the image's lock is without them", left)
		}
		return nil
	}
	for _, p := range j.lock.Packages {
		if !installed[p.Checksum] {
			return hint.Wrap(fmt.Errorf("the lock lists %s, which this kickstart does not install", p.NEVRA()),
				"build without --locked to get a new lock")
		}
	}
	return nil
}
