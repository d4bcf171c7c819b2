package diff

import (
	"cmp"
	"slices"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/rpm"
)

// What can have happened to a package.
const (
	Added      = "added"
	Removed    = "removed"
	Updated    = "updated"
	Downgraded = "downgraded"
	Rebuilt    = "rebuilt" // the same version, but another file or architecture
)

// A Package is one that is not the same on both sides.
type Package struct {
	Change     string   `json:"change"`
	Name       string   `json:"name"`
	Arch       string   `json:"arch"` // of the new one, of the old one if it was removed
	Old        string   `json:"old,omitempty"`
	New        string   `json:"new,omitempty"` // versions, [EPOCH:]VERSION-RELEASE
	OldArch    string   `json:"old_arch,omitempty"`
	Installed  Size     `json:"installed"` // of its contents
	Size       Size     `json:"size"`      // of its file
	Advisories []string `json:"advisories,omitempty"`
}

// Size is what something takes, before and after, in bytes.
type Size struct {
	Old int64 `json:"old"`
	New int64 `json:"new"`
}

// Grown is the difference.
func (s Size) Grown() int64 { return s.New - s.Old }

func evr(p *manifest.Package) rpm.EVR {
	return rpm.EVR{Epoch: p.Epoch, Version: p.Version, Release: p.Release}
}

// Packages compares two lists of packages. Versions are ordered as rpm does,
// and several versions of one package are matched from the newest down. The
// result is sorted by name.
func Packages(old, new []manifest.Package, x *advisory.Index, explained advisory.Collection) []Package {
	before, after := byName(old), byName(new)
	names := make([]string, 0, len(before)+len(after))
	for name := range before {
		names = append(names, name)
	}
	for name := range after {
		if before[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []Package
	for _, name := range names {
		for _, pair := range match(before[name], after[name]) {
			p := describe(pair)
			if p.Change == Updated {
				found := x.Between(p.Name, p.Arch, evr(pair.old), evr(pair.new))
				p.Advisories = advisory.IDs(found)
				explained.Add(found)
			}
			all = append(all, p)
		}
	}
	return all
}

func byName(list []manifest.Package) map[string][]*manifest.Package {
	all := map[string][]*manifest.Package{}
	for i := range list {
		all[list[i].Name] = append(all[list[i].Name], &list[i])
	}
	return all
}

// A pair is a package before and after; one of them is nil if it was added or removed.
type pair struct{ old, new *manifest.Package }

// match pairs packages of one name that are not the same: with one of the same
// architecture if there is one, else with another, from the newest down.
func match(old, new []*manifest.Package) []pair {
	var pairs []pair
	rules := []struct {
		key   func(*manifest.Package) string
		count func(pair) bool // whether the pair is a difference
	}{
		{identity, func(pair) bool { return false }},
		{func(p *manifest.Package) string { return p.NEVRA() }, func(p pair) bool { return p.old.Checksum != "" && p.new.Checksum != "" }},
		{func(p *manifest.Package) string { return p.Arch }, func(pair) bool { return true }},
		{func(p *manifest.Package) string { return "" }, func(pair) bool { return true }},
	}
	for _, rule := range rules {
		var met []pair
		met, old, new = meet(old, new, rule.key)
		for _, p := range met {
			if rule.count(p) {
				pairs = append(pairs, p)
			}
		}
	}
	for _, o := range old {
		pairs = append(pairs, pair{old: o})
	}
	for _, n := range new {
		pairs = append(pairs, pair{new: n})
	}
	return pairs
}

// meet pairs packages that have a key in common, the newest first, and returns
// those that are left over as well.
func meet(old, new []*manifest.Package, key func(*manifest.Package) string) (met []pair, oldLeft, newLeft []*manifest.Package) {
	newestFirst := func(a, b *manifest.Package) int {
		if order := evr(b).Compare(evr(a)); order != 0 {
			return order
		}
		return cmp.Compare(identity(a), identity(b))
	}
	waiting := map[string][]*manifest.Package{}
	for _, n := range slices.SortedFunc(slices.Values(new), newestFirst) {
		waiting[key(n)] = append(waiting[key(n)], n)
	}
	paired := map[*manifest.Package]bool{}
	for _, o := range slices.SortedFunc(slices.Values(old), newestFirst) {
		k := key(o)
		if len(waiting[k]) == 0 {
			oldLeft = append(oldLeft, o)
			continue
		}
		n := waiting[k][0]
		met, waiting[k], paired[n] = append(met, pair{o, n}), waiting[k][1:], true
	}
	for _, n := range new {
		if !paired[n] {
			newLeft = append(newLeft, n)
		}
	}
	return met, oldLeft, slices.SortedFunc(slices.Values(newLeft), newestFirst)
}

func identity(p *manifest.Package) string { return p.NEVRA() + " " + p.Checksum }

func describe(p pair) Package {
	switch {
	case p.old == nil:
		n := p.new
		return Package{Change: Added, Name: n.Name, Arch: n.Arch, New: evr(n).String(), Installed: Size{0, n.Installed}, Size: Size{0, n.Size}}
	case p.new == nil:
		o := p.old
		return Package{Change: Removed, Name: o.Name, Arch: o.Arch, Old: evr(o).String(), Installed: Size{o.Installed, 0}, Size: Size{o.Size, 0}}
	}
	d := Package{
		Name: p.new.Name, Arch: p.new.Arch, Old: evr(p.old).String(), New: evr(p.new).String(),
		Installed: Size{p.old.Installed, p.new.Installed}, Size: Size{p.old.Size, p.new.Size},
	}
	if p.old.Arch != p.new.Arch {
		d.OldArch = p.old.Arch
	}
	switch order := evr(p.old).Compare(evr(p.new)); {
	case order < 0:
		d.Change = Updated
	case order > 0:
		d.Change = Downgraded
	default:
		d.Change = Rebuilt
	}
	return d
}
