// Package depsolve chooses packages so that everything they require is among
// them. It is no general solver: of each name one version is on offer, the first
// choice is never taken back, and conflicts are left to dnf, which has the last
// word on what is installed.
package depsolve

import (
	"cmp"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/repo"
)

// A Want is something that must be there: the first of its names,
// of packages, capabilities or files, that some package provides. One that is
// Optional is left out where nothing does.
type Want struct {
	Names    []string
	Optional bool
}

// A universe is what the repositories offer for one architecture: of each
// name the newest package, and none that another one obsoletes.
type universe struct {
	packages []*repo.Package
	provides map[string][]offer
	files    map[string][]*repo.Package
}

// An offer is a capability that a package provides.
type offer struct {
	by   *repo.Package
	what repo.Relation
}

func newUniverse(all []*repo.Package, arch string) *universe {
	newest := newestOf(all, arch)
	dropObsolete(newest, nil)
	return index(newest)
}

// newestOf returns of each name the package that is preferred.
func newestOf(all []*repo.Package, arch string) map[string]*repo.Package {
	newest := map[string]*repo.Package{}
	for _, p := range all {
		if p.Arch != arch && p.Arch != "noarch" {
			continue
		}
		if known := newest[p.Name]; known == nil || preferred(p, known) {
			newest[p.Name] = p
		}
	}
	return newest
}

// dropObsolete removes the packages that another one obsoletes, except those to keep.
func dropObsolete(newest map[string]*repo.Package, keep map[string]bool) {
	obsolete := map[string]bool{}
	for _, p := range newest {
		for _, o := range p.Obsoletes {
			if q := newest[o.Name]; q != nil && q != p && o.Satisfies(self(q)) {
				obsolete[q.Name] = true
			}
		}
	}
	for name := range obsolete {
		if !keep[name] {
			delete(newest, name)
		}
	}
}

// index is the universe of packages of different names.
func index(packages map[string]*repo.Package) *universe {
	u := &universe{provides: map[string][]offer{}, files: map[string][]*repo.Package{}}
	for _, p := range packages {
		u.packages = append(u.packages, p)
	}
	slices.SortFunc(u.packages, func(a, b *repo.Package) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range u.packages {
		for _, provided := range p.Provides {
			u.provides[provided.Name] = append(u.provides[provided.Name], offer{p, provided})
		}
		for _, f := range p.Files {
			u.files[f.Path] = append(u.files[f.Path], p)
		}
	}
	return u
}

// preferred reports whether a is taken rather than b, a package of the same name.
func preferred(a, b *repo.Package) bool {
	if c := cmp.Compare(a.Snapshot.Priority, b.Snapshot.Priority); c != 0 {
		return c < 0
	}
	return a.EVR.Compare(b.EVR) > 0
}

// self is the capability that every package provides by being itself.
func self(p *repo.Package) repo.Relation {
	return repo.Relation{Name: p.Name, Flags: repo.Equal, EVR: p.EVR.String()}
}

// spellings are the paths that a file may be listed under: distributions
// merged /bin into /usr/bin, and some /usr/sbin as well.
func spellings(path string) []string {
	merged := path
	for _, top := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(path, top) {
			merged = "/usr" + path
		}
	}
	all := []string{path, merged, strings.TrimPrefix(merged, "/usr")}
	if name, ok := strings.CutPrefix(merged, "/usr/sbin/"); ok {
		all = append(all, "/usr/bin/"+name)
	} else if name, ok := strings.CutPrefix(merged, "/usr/bin/"); ok {
		all = append(all, "/usr/sbin/"+name)
	}
	return all
}

// providers returns the packages that satisfy r.
func (u *universe) providers(r repo.Relation) []*repo.Package {
	var found []*repo.Package
	add := func(p *repo.Package) {
		if !slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	for _, o := range u.provides[r.Name] {
		if r.Satisfies(o.what) {
			add(o.by)
		}
	}
	if strings.HasPrefix(r.Name, "/") {
		for _, path := range spellings(r.Name) {
			for _, p := range u.files[path] {
				add(p)
			}
		}
	}
	return found
}

// A closure grows from the wanted packages to all that they require.
type closure struct {
	*universe
	chosen  map[*repo.Package]bool
	pending []*repo.Package
	missing []missing
}

// A missing requirement is one that no package satisfies.
type missing struct {
	what repo.Relation
	by   string // the package that requires it, or "" for a Want
}

// close returns the packages that are chosen already, those that satisfy wants,
// and all they require, sorted by name, and what is missing.
func (u *universe) close(wants []Want, chosen ...*repo.Package) ([]*repo.Package, []missing) {
	c := &closure{universe: u, chosen: map[*repo.Package]bool{}}
	for _, p := range chosen {
		c.choose(p)
	}
	for _, w := range wants {
		c.want(w)
	}
	for len(c.pending) > 0 {
		p := c.pending[0]
		c.pending = c.pending[1:]
		for _, r := range p.Requires {
			if !c.require(r) {
				c.missing = append(c.missing, missing{r, p.Name})
			}
		}
	}
	var packages []*repo.Package
	for p := range c.chosen {
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b *repo.Package) int { return cmp.Compare(a.Name, b.Name) })
	return packages, c.missing
}

func (c *closure) want(w Want) {
	for _, name := range w.Names {
		if c.require(repo.Relation{Name: name}) {
			return
		}
	}
	if !w.Optional {
		c.missing = append(c.missing, missing{repo.Relation{Name: w.Names[0]}, ""})
	}
}

// require makes sure that r is satisfied and reports whether it can be.
func (c *closure) require(r repo.Relation) bool {
	if strings.HasPrefix(r.Name, "rpmlib(") {
		return true // a feature of rpm itself
	}
	if strings.HasPrefix(r.Name, "(") {
		return c.requireRich(r.Name)
	}
	candidates := c.providers(r)
	if len(candidates) == 0 {
		return false
	}
	for _, p := range candidates {
		if c.chosen[p] {
			return true
		}
	}
	slices.SortStableFunc(candidates, func(a, b *repo.Package) int {
		return cmp.Or(cmp.Compare(rank(a, r), rank(b, r)), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	c.choose(candidates[0])
	return true
}

// rank says how natural a choice p is for r: the package of that name, then
// one that is meant to be the least of its kind, then the others.
func rank(p *repo.Package, r repo.Relation) int {
	switch {
	case p.Name == r.Name:
		return 0
	case strings.Contains(p.Name, "minimal-langpack"):
		return 1
	}
	return 2
}

func (c *closure) choose(p *repo.Package) {
	if !c.chosen[p] {
		c.chosen[p] = true
		c.pending = append(c.pending, p)
	}
}
