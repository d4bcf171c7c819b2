package repo

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/rpm"
)

// fromHeader is what metadata would say of a package, from the package's own
// header. Location and Snapshot are left to the caller.
func fromHeader(p *rpm.Package, checksum cache.Digest, size int64) (*Package, error) {
	h := p.Header
	pkg := &Package{
		NEVRA: p.NEVRA(), Checksum: checksum, Size: size, Installed: int64(h.Int(rpm.Size)), BuildTime: int64(h.Int(rpm.BuildTime)),
		Source: h.String(rpm.SourceRPM), License: h.String(rpm.License), Summary: h.String(rpm.Summary),
	}
	if h.Has(rpm.LongSize) {
		pkg.Installed = int64(h.Int(rpm.LongSize))
	}
	files, err := p.Files()
	if err != nil {
		return nil, err
	}
	for i := range files {
		if listed(files[i].Path) {
			pkg.Files = append(pkg.Files, fileOf(&files[i]))
		}
	}
	for _, d := range dependencies {
		list, err := relationsOf(h, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pkg.NEVRA, err)
		}
		*d.of(pkg) = list
	}
	pkg.Requires = slices.DeleteFunc(pkg.Requires, pkg.needless)
	return pkg, nil
}

// needless reports whether a requirement says nothing to others: it is asked
// of rpm, or the package meets it itself. createrepo leaves the same out.
func (p *Package) needless(r Relation) bool {
	own := Relation{Name: r.Name, Flags: r.Flags, EVR: r.EVR}
	return strings.HasPrefix(r.Name, "rpmlib(") || slices.Contains(p.Provides, own) ||
		slices.ContainsFunc(p.Files, func(f File) bool { return f.Path == r.Name })
}

// listed reports whether primary lists a file, as createrepo decides it.
func listed(file string) bool {
	return strings.HasPrefix(file, "/etc/") || strings.Contains(path.Dir(file)+"/", "bin/") || file == "/usr/lib/sendmail"
}

func fileOf(f *rpm.File) File {
	const typeMask, dir = 0o170000, 0o040000
	switch {
	case f.Mode&typeMask == dir:
		return File{f.Path, Dir}
	case f.Flags&rpm.FlagGhost != 0:
		return File{f.Path, Ghost}
	}
	return File{f.Path, Regular}
}

// dependency is a kind of relation, by its name in primary.
type dependency struct {
	name                  string
	of                    func(*Package) *[]Relation
	names, flags, version rpm.Tag
}

var dependencies = []dependency{
	{"provides", func(p *Package) *[]Relation { return &p.Provides }, rpm.ProvideName, rpm.ProvideFlags, rpm.ProvideVersion},
	{"requires", func(p *Package) *[]Relation { return &p.Requires }, rpm.RequireName, rpm.RequireFlags, rpm.RequireVersion},
	{"conflicts", func(p *Package) *[]Relation { return &p.Conflicts }, rpm.ConflictName, rpm.ConflictFlags, rpm.ConflictVersion},
	{"obsoletes", func(p *Package) *[]Relation { return &p.Obsoletes }, rpm.ObsoleteName, rpm.ObsoleteFlags, rpm.ObsoleteVersion},
	{"suggests", func(p *Package) *[]Relation { return &p.Suggests }, rpm.SuggestName, rpm.SuggestFlags, rpm.SuggestVersion},
	{"enhances", func(p *Package) *[]Relation { return &p.Enhances }, rpm.EnhanceName, rpm.EnhanceFlags, rpm.EnhanceVersion},
	{"recommends", func(p *Package) *[]Relation { return &p.Recommends }, rpm.RecommendName, rpm.RecommendFlags, rpm.RecommendVersion},
	{"supplements", func(p *Package) *[]Relation { return &p.Supplements }, rpm.SupplementName, rpm.SupplementFlags, rpm.SupplementVersion},
}

// Flags of dependencies in a header; rpm has more.
const (
	senseLess    = 1 << 1
	senseGreater = 1 << 2
	senseEqual   = 1 << 3
	sensePre     = 1<<6 | 1<<9 | 1<<10 // PREREQ, SCRIPT_PRE and SCRIPT_POST
)

// relationsOf reads one kind of relation, each once.
func relationsOf(h *rpm.Header, d dependency) ([]Relation, error) {
	names, flags, versions := h.Strings(d.names), h.Ints(d.flags), h.Strings(d.version)
	if len(flags) != len(names) || len(versions) != len(names) {
		return nil, fmt.Errorf("it has %d names, %d flags and %d versions of what it %s", len(names), len(flags), len(versions), d.name)
	}
	var list []Relation
	seen := map[Relation]bool{}
	for i, name := range names {
		r := Relation{Name: name, Pre: d.name == "requires" && flags[i]&sensePre != 0}
		if versions[i] != "" {
			r.EVR = strings.TrimPrefix(versions[i], "0:")
			for bit, sense := range map[uint64]Sense{senseLess: Less, senseGreater: Greater, senseEqual: Equal} {
				if flags[i]&bit != 0 {
					r.Flags |= sense
				}
			}
			if r.Flags == 0 {
				r.EVR = ""
			}
		}
		if !seen[r] {
			seen[r] = true
			list = append(list, r)
		}
	}
	return list, nil
}
