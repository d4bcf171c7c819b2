package depsolve

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

// A Held package belongs to a set of packages that fit together, such as a lock's.
type Held struct {
	rpm.NEVRA
	Checksum cache.Digest
	Source   string // file name of its source package
	Named    bool   // take it to its newest version
}

// Updated is what became of a set of packages.
type Updated struct {
	Instead  []*repo.Package // what takes the place of each that was held; nil where it stays as it is
	Obsolete []bool          // of each that was held, whether another one obsoletes it and nothing else needs it
	Added    []*repo.Package // what the set needs in addition, and what obsoletes named packages of it
}

// Update takes the named packages of a set to the newest version there is,
// those that were built from the same source with them, and the others as far
// as their new versions make it necessary. No package gets older.
//
// What packages of the set require and provide is known while the repositories
// list them. One that they do not list is taken to provide what its newest
// version does, and to need nothing that is not there.
func Update(ctx context.Context, snapshots []*repo.Snapshot, all []*repo.Package, arch string, held []Held) (*Updated, error) {
	u := newUpdate(all, arch, held)
	lacking, _ := u.try(nil)
	u.accept(lacking)
	named := map[string]bool{}
	for _, h := range held {
		if h.Named {
			u.name(named, h)
		}
	}
	for {
		lacks, _, err := u.resolve(ctx, snapshots, named)
		if err != nil {
			return nil, err
		}
		if len(lacks) == 0 {
			break
		}
		before := len(named)
		for _, m := range lacks {
			u.help(named, m)
		}
		if len(named) == before {
			return nil, unsatisfied(lacks)
		}
	}
	if err := u.succeed(ctx, snapshots, named); err != nil {
		return nil, err
	}
	_, chosen, err := u.resolve(ctx, snapshots, named)
	if err != nil {
		return nil, err
	}
	return u.result(named, chosen), nil
}

// resolve is try, with the files looked up that only filelists know.
func (u *update) resolve(ctx context.Context, snapshots []*repo.Snapshot, named map[string]bool) ([]missing, []*repo.Package, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		lacks, chosen := u.try(named)
		if looked, err := u.lookUp(ctx, snapshots, missingFiles(lacks)); err != nil || !looked {
			return lacks, chosen, err
		}
	}
}

// An update is a set of packages on its way to newer versions.
type update struct {
	arch     string
	held     []Held
	byName   map[string]Held // those that dependencies are about
	newest   map[string]*repo.Package
	others   map[string]*repo.Package       // the newest of other architectures, by NAME.ARCH
	listed   map[cache.Digest]*repo.Package // of held
	sources  map[string][]string            // names of held by source package
	accepted map[string]bool                // requirements that were not satisfied before either
	paths    map[string]bool                // files that were looked up in filelists
	more     map[string]bool                // names of packages that are wanted besides held
	without  map[string]bool                // names of held that are not wanted any more
}

func newUpdate(all []*repo.Package, arch string, held []Held) *update {
	u := &update{
		arch: arch, held: held, byName: map[string]Held{}, newest: newestOf(all, arch), others: map[string]*repo.Package{},
		listed: map[cache.Digest]*repo.Package{}, sources: map[string][]string{}, accepted: map[string]bool{}, paths: map[string]bool{}, more: map[string]bool{}, without: map[string]bool{},
	}
	ours := map[cache.Digest]bool{}
	for _, h := range held {
		ours[h.Checksum] = true
		if u.native(h.Arch) {
			u.byName[h.Name] = h
		}
		if source, err := rpm.ParseNEVRA(h.Source); err == nil {
			u.sources[source.Name] = append(u.sources[source.Name], h.Name)
		}
	}
	for _, p := range all {
		if ours[p.Checksum] {
			u.listed[p.Checksum] = p
		}
		if at := p.Name + "." + p.Arch; !u.native(p.Arch) && (u.others[at] == nil || preferred(p, u.others[at])) {
			u.others[at] = p
		}
	}
	return u
}

func (u *update) native(arch string) bool { return arch == u.arch || arch == "noarch" }

// name adds a package, and what was built from the same source, to those to update.
func (u *update) name(named map[string]bool, h Held) {
	named[h.Name] = true
	if source, err := rpm.ParseNEVRA(h.Source); err == nil {
		for _, name := range u.sources[source.Name] {
			named[name] = true
		}
	}
}

// target is what takes the place of a package if it is updated; nil if nothing does.
func (u *update) target(h Held) *repo.Package {
	p := u.newest[h.Name]
	if !u.native(h.Arch) {
		p = u.others[h.Name+"."+h.Arch]
	}
	if p == nil || p.Checksum == h.Checksum {
		return nil
	}
	order := p.EVR.Compare(h.EVR)
	if order < 0 || order == 0 && u.listed[h.Checksum] != nil {
		return nil
	}
	return p
}

// try returns what is missing, other than what is accepted, and what is chosen
// if the packages of these names are updated.
func (u *update) try(named map[string]bool) ([]missing, []*repo.Package) {
	// A package that another one obsoletes stays in the set all the same, unless
	// it was found that it can go: who installs the set decides.
	packages, keep := map[string]*repo.Package{}, maps.Clone(u.more)
	for name, p := range u.newest {
		packages[name] = p
	}
	for name, h := range u.byName {
		keep[name] = true
		packages[name] = u.target(h)
		if !named[name] || packages[name] == nil {
			packages[name] = u.stay(h)
		}
	}
	for name := range u.without {
		delete(packages, name)
	}
	dropObsolete(packages, keep)
	var set []*repo.Package
	for _, name := range slices.Sorted(maps.Keys(keep)) {
		if p := packages[name]; p != nil {
			set = append(set, p)
		}
	}
	chosen, all := index(packages).close(nil, set...)
	all = slices.DeleteFunc(all, func(m missing) bool { return u.accepted[m.by+" "+m.what.String()] })
	return all, chosen
}

func (u *update) accept(all []missing) {
	for _, m := range all {
		u.accepted[m.by+" "+m.what.String()] = true
	}
}

// stay is a package that stays as it is, as far as it is known.
func (u *update) stay(h Held) *repo.Package {
	if p := u.listed[h.Checksum]; p != nil {
		return p
	}
	p := &repo.Package{NEVRA: h.NEVRA, Checksum: h.Checksum, Snapshot: new(repo.Snapshot)}
	p.Provides = []repo.Relation{self(p)}
	if successor := u.newest[h.Name]; successor != nil {
		p.Files = successor.Files
		for _, provided := range successor.Provides {
			// What carries the package's own version has that of the older one.
			if provided.EVR == successor.EVR.String() {
				provided.EVR = h.EVR.String()
			}
			p.Provides = append(p.Provides, provided)
		}
	}
	return p
}

// help names the packages whose newest version can satisfy what is missing, or
// the one that requires it.
func (u *update) help(named map[string]bool, m missing) {
	before := len(named)
	for name, h := range u.byName {
		if p := u.target(h); p != nil && !named[name] && provides(p, m.what) {
			u.name(named, h)
		}
	}
	if h, ok := u.byName[m.by]; ok && len(named) == before && u.target(h) != nil {
		u.name(named, h)
	}
}

func provides(p *repo.Package, r repo.Relation) bool {
	if slices.ContainsFunc(p.Provides, r.Satisfies) {
		return true
	}
	if r.Rich() {
		terms, _, ok := parseRich(r.Name)
		return ok && slices.ContainsFunc(terms, func(t string) bool { return provides(p, relation(t)) })
	}
	paths := spellings(r.Name)
	return strings.HasPrefix(r.Name, "/") && slices.ContainsFunc(p.Files, func(f repo.File) bool { return slices.Contains(paths, f.Path) })
}

// lookUp adds paths to the packages that have them by filelists, and reports
// whether any were looked up: each is once.
func (u *update) lookUp(ctx context.Context, snapshots []*repo.Snapshot, paths map[string]bool) (bool, error) {
	maps.DeleteFunc(paths, func(path string, _ bool) bool { return u.paths[path] })
	if len(paths) == 0 {
		return false, nil
	}
	maps.Copy(u.paths, paths)
	of := &universe{files: map[string][]*repo.Package{}}
	for _, p := range u.newest {
		of.packages = append(of.packages, p)
	}
	for _, p := range u.listed {
		of.packages = append(of.packages, p)
	}
	if err := of.addFiles(ctx, snapshots, paths); err != nil {
		return false, err
	}
	more := map[*repo.Package][]repo.File{}
	for path, packages := range of.files {
		for _, p := range packages {
			more[p] = append(more[p], repo.File{Path: path})
		}
	}
	// The repository's own packages are shared and must not change.
	clone := func(p *repo.Package) *repo.Package {
		c := *p
		c.Files = slices.Concat(p.Files, more[p])
		return &c
	}
	for name, p := range u.newest {
		if len(more[p]) > 0 {
			u.newest[name] = clone(p)
		}
	}
	for digest, p := range u.listed {
		if len(more[p]) > 0 {
			u.listed[digest] = clone(p)
		}
	}
	return true, nil
}
