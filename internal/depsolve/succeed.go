package depsolve

import (
	"context"
	"maps"
	"slices"

	"github.com/respin-project/respin/internal/repo"
)

// succeed adds to a set the packages that obsolete its named ones, as far as
// what they require can be had, and finds those that can go because of it.
func (u *update) succeed(ctx context.Context, snapshots []*repo.Snapshot, named map[string]bool) error {
	// attempt tries a change of the set, and takes it back where something is missing then.
	attempt := func(names map[string]bool, name string) error {
		names[name] = true
		lacks, _, err := u.resolve(ctx, snapshots, named)
		if len(lacks) > 0 {
			delete(names, name)
		}
		return err
	}
	for _, o := range u.obsoleting(u.newest) {
		if named[o.old] && u.byName[o.by].Name == "" {
			if err := attempt(u.more, o.by); err != nil {
				return err
			}
		}
	}
	_, chosen, err := u.resolve(ctx, snapshots, named)
	if err != nil {
		return err
	}
	present := map[string]*repo.Package{}
	for _, p := range chosen {
		present[p.Name] = p
	}
	for _, o := range u.obsoleting(present) {
		if present[o.old] != nil && !u.without[o.old] {
			if err := attempt(u.without, o.old); err != nil {
				return err
			}
		}
	}
	return nil
}

// A succession is that a package obsoletes one of the set.
type succession struct{ old, by string }

// obsoleting returns which of some packages obsolete what of the set, sorted.
// What a package is updated to counts, or else what it is.
func (u *update) obsoleting(packages map[string]*repo.Package) []succession {
	var all []succession
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		for _, o := range packages[name].Obsoletes {
			h, ok := u.byName[o.Name]
			if !ok || h.Name == name {
				continue
			}
			now := repo.Relation{Name: h.Name, Flags: repo.Equal, EVR: h.EVR.String()}
			if p := u.target(h); p != nil {
				now = self(p)
			}
			if s := (succession{h.Name, name}); o.Satisfies(now) && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// result tells what takes the place of each package, and what is new.
func (u *update) result(named map[string]bool, chosen []*repo.Package) *Updated {
	r := &Updated{Instead: make([]*repo.Package, len(u.held)), Obsolete: make([]bool, len(u.held))}
	for i, h := range u.held {
		if named[h.Name] {
			r.Instead[i] = u.target(h)
		}
		r.Obsolete[i] = u.native(h.Arch) && u.without[h.Name]
	}
	for _, p := range chosen {
		if _, ok := u.byName[p.Name]; !ok {
			r.Added = append(r.Added, p)
		}
	}
	return r
}
