package plan

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/depsolve"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

// update writes the image's lock anew, with newer packages, unless there are none.
func (i *image) update(ctx context.Context) error {
	var err error
	if i.stores == nil {
		if i.stores, err = i.openStores(ctx, i.ks); err != nil {
			return err
		}
	}
	u, err := i.newLock(ctx)
	if err != nil {
		return err
	}
	if u.lock.Packages, err = u.newer(ctx, i.lock.Packages, i.asked(), true); err != nil {
		return fmt.Errorf("updating %s: %w", i.plan.Lock, err)
	}
	if !i.onlySecurity {
		if u.lock.Buildroot, err = u.newer(ctx, i.lock.Buildroot, all, false); err != nil {
			return fmt.Errorf("updating the buildroot of %s: %w", i.plan.Lock, err)
		}
		if u.lock.Kept, err = i.kept(ctx, u.lock.Packages); err != nil {
			return err
		}
	}
	if u.updated+u.added == 0 && slices.EqualFunc(u.lock.Kept, i.lock.Kept, func(a, b manifest.PackageChange) bool { return reflect.DeepEqual(a, b) }) {
		i.Report.Printf("%s stays as it is", i.plan.Lock)
		return nil
	}
	u.lock.Updated = u.lock.Updated || u.updated+u.added > 0
	if err := u.lock.Write(i.plan.Lock); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	i.plan.Locked = true
	i.Report.Printf("%s is written: packages updated: %d, added: %d", i.plan.Lock, u.updated, u.added)
	return nil
}

func all(manifest.Package) bool { return true }

// kept are those of the packages for which there was nothing newer although the
// repositories have them otherwise. The image is not due for them again.
func (i *image) kept(ctx context.Context, packages []manifest.Package) ([]manifest.PackageChange, error) {
	offered, err := i.offers(ctx, i.stores, packages)
	if err != nil {
		return nil, err
	}
	var kept []manifest.PackageChange
	for _, p := range packages {
		if c, changed := offered.compare(p, i.m.Image.Arch); changed {
			kept = append(kept, c)
		}
	}
	sortChanges(kept)
	return kept, nil
}

// asked tells which packages are to be updated: those that changed, as far as that counts.
func (i *image) asked() func(manifest.Package) bool {
	if !i.onlySecurity {
		return all
	}
	changed := map[string]bool{}
	for _, c := range i.plan.Packages {
		changed[c.Name+" "+c.Old] = true
	}
	return func(p manifest.Package) bool { return changed[p.Name+" "+evr(p).String()] }
}

// An updating lock is one that is being written anew.
type updating struct {
	lock      lock.Lock
	arch      string
	snapshots []*repo.Snapshot
	packages  []*repo.Package
	bases     map[string]string // URLs of the repositories, by name
	updated   int
	added     int
}

// newLock is the lock with the repositories as they are now.
func (i *image) newLock(ctx context.Context) (*updating, error) {
	u := &updating{lock: *i.lock, arch: i.m.Image.Arch, bases: map[string]string{}}
	u.lock.Repositories, u.lock.Kickstart = slices.Clone(u.lock.Repositories), i.m.Kickstart.Digest
	for _, s := range i.stores {
		packages, err := s.Packages(ctx)
		if err != nil {
			return nil, err
		}
		u.snapshots, u.packages = append(u.snapshots, s.Snapshot), append(u.packages, packages...)
		now := manifest.Repository{Name: s.Name, URL: fetch.Redact(s.URL), Repomd: s.Repomd.String(), Newest: s.Newest}
		u.lock.SourceDate = max(u.lock.SourceDate, s.Newest)
		at := slices.IndexFunc(u.lock.Repositories, func(r manifest.Repository) bool { return r.Name == s.Name })
		if at < 0 {
			at = len(u.lock.Repositories)
			u.lock.Repositories = append(u.lock.Repositories, now)
		} else if s.Metalink != "" || s.Mirrorlist != "" {
			now.URL = u.lock.Repositories[at].URL // another mirror each time would change every line
		}
		u.lock.Repositories[at], u.bases[s.Name] = now, now.URL
	}
	held := map[string]bool{}
	for _, p := range slices.Concat(i.lock.Packages, i.lock.Buildroot) {
		held[p.Checksum] = true
	}
	u.packages = slices.DeleteFunc(u.packages, func(p *repo.Package) bool { return modular(p.Release) && !held[p.Checksum.String()] })
	return u, nil
}

// newer returns a list of the lock with newer packages, and those that they
// newly need. What another one obsoletes stays where dnf is to choose from the list.
func (u *updating) newer(ctx context.Context, list []manifest.Package, asked func(manifest.Package) bool, dnf bool) ([]manifest.Package, error) {
	held := make([]depsolve.Held, len(list))
	for i, p := range list {
		digest, err := cache.ParseDigest(p.Checksum)
		if err != nil {
			return nil, fmt.Errorf("%s: checksum: %w", p.NEVRA(), err)
		}
		held[i] = depsolve.Held{
			NEVRA:    rpm.NEVRA{Name: p.Name, EVR: evr(p), Arch: p.Arch},
			Checksum: digest, Source: p.Source, Named: asked(p) && !modular(p.Release),
		}
	}
	now, err := depsolve.Update(ctx, u.snapshots, u.packages, u.arch, held)
	if _, ok := errors.AsType[*depsolve.UnsatisfiedError](err); ok {
		return nil, hint.Wrap(err, "build without --locked, which resolves everything anew")
	} else if err != nil {
		return nil, err
	}
	listed := map[string]*repo.Package{}
	for _, p := range u.packages {
		listed[p.Checksum.String()] = p
	}
	var all []manifest.Package
	for i, p := range list {
		if now.Obsolete[i] && !dnf {
			continue
		}
		if now.Instead[i] != nil {
			p = u.describe(now.Instead[i])
			u.updated++
		} else if l := listed[p.Checksum]; l != nil && l.Snapshot.Name == p.Repository && !strings.HasPrefix(p.URL, u.bases[p.Repository]) {
			p.URL = u.describe(l).URL // the repository has moved
		}
		all = append(all, p)
	}
	for _, p := range now.Added {
		all = append(all, u.describe(p))
		u.added++
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(p manifest.Package) bool {
		twice := seen[p.Checksum]
		seen[p.Checksum] = true
		return twice
	}), nil
}

// describe is a repository's package as locks have it, without the key that
// signed it: a package is not fetched to plan.
func (u *updating) describe(p *repo.Package) manifest.Package {
	return manifest.Package{
		Name: p.Name, Epoch: p.Epoch, Version: p.Version, Release: p.Release, Arch: p.Arch,
		Repository: p.Snapshot.Name, URL: fetch.Redact(p.URL(u.bases[p.Snapshot.Name])), Checksum: p.Checksum.String(),
		Size: p.Size, Installed: p.Installed, Source: p.Source, License: p.License,
	}
}
