// Package advisory finds the update notices that explain why a package is
// newer than it was.
package advisory

import (
	"cmp"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

// An Index knows the advisories of some repositories by the packages they bring.
// nil is one without any.
type Index struct {
	brought map[place][]bringing
}

// place is where an advisory's packages are looked for.
type place struct{ name, arch string }

// A bringing is a version that an advisory brings.
type bringing struct {
	evr      rpm.EVR
	advisory *manifest.Advisory
}

// New returns an index of advisories. One that several repositories have, or
// a list has twice, counts once.
func New(lists ...[]repo.Advisory) *Index {
	x := &Index{map[place][]bringing{}}
	known := map[string]*manifest.Advisory{}
	for _, list := range lists {
		for i := range list {
			a := &list[i]
			described := known[a.ID]
			if described == nil {
				described = &manifest.Advisory{ID: a.ID, Type: a.Type, Severity: severity(a.Severity), Title: cmp.Or(a.Title, a.Summary), CVEs: a.CVEs()}
				known[a.ID] = described
			}
			for _, p := range a.Packages {
				described.Reboot = described.Reboot || p.RebootSuggested
				at := place{p.Name, p.Arch}
				x.brought[at] = append(x.brought[at], bringing{p.EVR, described})
			}
		}
	}
	return x
}

// severity drops the word that some repositories write where there is none.
func severity(s string) string {
	if strings.EqualFold(s, "none") {
		return ""
	}
	return s
}

// Between returns the advisories that bring a version of a package newer than
// old and no newer than to, sorted by id.
func (x *Index) Between(name, arch string, old, to rpm.EVR) []*manifest.Advisory {
	if x == nil {
		return nil
	}
	var found []*manifest.Advisory
	for _, b := range x.brought[place{name, arch}] {
		if b.evr.Compare(old) > 0 && b.evr.Compare(to) <= 0 {
			found = append(found, b.advisory)
		}
	}
	slices.SortFunc(found, func(a, b *manifest.Advisory) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(found)
}

// IsSecurity reports whether an advisory mends a weakness.
func IsSecurity(a *manifest.Advisory) bool { return a.Type == "security" }

// IDs are the ids of advisories.
func IDs(all []*manifest.Advisory) []string {
	var ids []string
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	return ids
}

// A Collection is a set of advisories.
type Collection map[string]*manifest.Advisory

// Add adds advisories to the set.
func (c Collection) Add(all []*manifest.Advisory) {
	for _, a := range all {
		c[a.ID] = a
	}
}

// List returns the advisories of the set, sorted by id.
func (c Collection) List() []manifest.Advisory {
	var all []manifest.Advisory
	for _, a := range c {
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b manifest.Advisory) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// ranks order severities; Fedora's and Red Hat's words differ.
var ranks = map[string]int{"low": 1, "minor": 1, "moderate": 2, "medium": 2, "important": 3, "high": 3, "critical": 4, "urgent": 4}

// Rank orders severities, Fedora's words as well as Red Hat's: 1 is low, 4
// critical, and 0 is what nobody has heard of.
func Rank(severity string) int { return ranks[strings.ToLower(severity)] }

// Worst returns the gravest severity of security advisories in Red Hat's
// words: "critical", "important", "moderate" or "low"; empty if none has one.
func Worst(all []manifest.Advisory) string {
	worst := 0
	for i := range all {
		if IsSecurity(&all[i]) {
			worst = max(worst, Rank(all[i].Severity))
		}
	}
	return [...]string{"", "low", "moderate", "important", "critical"}[worst]
}
