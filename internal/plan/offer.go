package plan

import (
	"context"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
)

// offers looks the packages up in the stores. Of equal ones the first store's counts, as in a build.
func (p *Planner) offers(ctx context.Context, stores []*store, packages []manifest.Package) (*offers, error) {
	names := map[string]bool{}
	for _, p := range packages {
		names[p.Name] = true
	}
	o := &offers{best: map[place]listing{}, listed: map[string]bool{}, obsoleted: map[string][]repo.Relation{}}
	for _, s := range stores {
		err := s.catalogue.each(names, func(l listing) {
			at := place{l.Name, l.Arch}
			known, ok := o.best[at]
			if !ok || l.EVR.Compare(known.EVR) > 0 {
				o.best[at] = l
			}
			o.listed[l.checksum] = true
		}, func(by string, what repo.Relation) {
			o.obsoleted[what.Name] = append(o.obsoleted[what.Name], what)
		})
		if err != nil {
			return nil, err
		}
	}
	return o, ctx.Err()
}

// newest returns what there is instead of a package now: the newest of its
// name and architecture, or of none, as a package may become or cease to be
// for one; the zero listing if there is nothing.
func (o *offers) newest(p manifest.Package, arch string) listing {
	best := o.best[place{p.Name, p.Arch}]
	other := ""
	switch p.Arch {
	case "noarch":
		other = arch
	case arch:
		other = "noarch"
	}
	if l, ok := o.best[place{p.Name, other}]; ok && (best.Name == "" || l.EVR.Compare(best.EVR) > 0) {
		best = l
	}
	if best.Name != "" && o.obsolete(best) {
		return listing{}
	}
	return best
}

// compare reports what changed about an installed package. One of a module
// stream never does, as nobody can tell a stream by a package's name.
func (o *offers) compare(p manifest.Package, arch string) (manifest.PackageChange, bool) {
	c := manifest.PackageChange{Name: p.Name, Arch: p.Arch, Old: evr(p).String()}
	if modular(p.Release) {
		return c, false
	}
	now := o.newest(p, arch)
	if now.Name == "" {
		return c, true
	}
	c.Arch, c.New = now.Arch, now.EVR.String()
	return c, now.EVR != evr(p) || now.Arch != p.Arch || !o.has(p.Checksum)
}
