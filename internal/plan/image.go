package plan

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/spec"
)

// An image is one that is being planned.
type image struct {
	*Planner
	target spec.Target
	ks     *kickstart.Kickstart
	m      *manifest.Manifest
	lock   *lock.Lock // nil if there is none
	plan   *manifest.Plan
	stores []*store // of the kickstart's repositories, in its order

	onlySecurity bool // of what changed only what security advisories ask for counts
}

// warn says what is questionable in a kickstart, once.
func (p *Planner) warn(all []*kickstart.Diagnostic) {
	for _, w := range all {
		if !p.warned[w.Error()] {
			p.warned[w.Error()] = true
			p.Report.Warn(w.Place(), "%v", w)
		}
	}
}

// hold holds the lock's packages against the repositories.
func (i *image) hold(ctx context.Context) error {
	var err error
	if i.stores, err = i.openStores(ctx, i.ks); err != nil {
		return err
	}
	offered, err := i.offers(ctx, i.stores, i.lock.Packages)
	if err != nil {
		return err
	}
	x, err := i.advisories(ctx, i.stores)
	if err != nil {
		return err
	}
	explained := advisory.Collection{}
	for _, p := range i.lock.Packages {
		c, changed := offered.compare(p, i.m.Image.Arch)
		if !changed || i.lock.Keeps(c) {
			continue
		}
		var found []*manifest.Advisory
		if c.New != "" {
			found = x.Between(p.Name, c.Arch, evr(p), offered.newest(p, i.m.Image.Arch).EVR)
		}
		if i.onlySecurity {
			found = slices.DeleteFunc(found, func(a *manifest.Advisory) bool { return !advisory.IsSecurity(a) })
			if len(found) == 0 {
				continue
			}
		}
		c.Advisories = advisory.IDs(found)
		explained.Add(found)
		i.plan.Packages = append(i.plan.Packages, c)
	}
	sortChanges(i.plan.Packages)
	i.plan.Advisories = explained.List()
	i.plan.Repositories = i.repositories()
	return nil
}

// repositories compares those of the lock with those of the kickstart now.
func (i *image) repositories() []manifest.RepositoryChange {
	digests := map[string]manifest.RepositoryChange{}
	for _, r := range i.lock.Repositories {
		digests[r.Name] = manifest.RepositoryChange{Name: r.Name, Old: r.Repomd}
	}
	for _, s := range i.stores {
		digests[s.Name] = manifest.RepositoryChange{Name: s.Name, Old: digests[s.Name].Old, New: s.Repomd.String()}
	}
	var changed []manifest.RepositoryChange
	for _, name := range slices.Sorted(maps.Keys(digests)) {
		if c := digests[name]; c.Old != c.New {
			changed = append(changed, c)
		}
	}
	return changed
}

func sortChanges(all []manifest.PackageChange) {
	slices.SortFunc(all, func(a, b manifest.PackageChange) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Old, b.Old))
	})
}

func evr(p manifest.Package) rpm.EVR {
	return rpm.EVR{Epoch: p.Epoch, Version: p.Version, Release: p.Release}
}
