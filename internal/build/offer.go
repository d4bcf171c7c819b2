package build

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/near"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

// An offer is what the repositories have together, to hold %packages against
// before anything is installed.
type offer struct {
	names        map[string]bool // of packages
	provides     map[string]bool
	files        map[string]bool
	nevras       map[string]bool
	groups       map[string]*repo.Group
	environments map[string]*repo.Environment
}

func (j *job) offer(ctx context.Context) (*offer, error) {
	o := &offer{names: map[string]bool{}, provides: map[string]bool{}, files: map[string]bool{}, nevras: map[string]bool{},
		groups: map[string]*repo.Group{}, environments: map[string]*repo.Environment{}}
	for _, s := range j.snapshots {
		packages, err := s.Packages(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			o.add(p)
		}
		comps, err := s.Comps(ctx)
		if err != nil {
			return nil, err
		}
		if comps == nil {
			continue
		}
		for i := range comps.Groups {
			o.groups[comps.Groups[i].ID] = &comps.Groups[i]
		}
		for i := range comps.Environments {
			o.environments[comps.Environments[i].ID] = &comps.Environments[i]
		}
	}
	return o, nil
}

func (o *offer) add(p *repo.Package) {
	o.names[p.Name] = true
	for _, form := range []string{p.Name + "." + p.Arch, p.Name + "-" + p.Version, p.Name + "-" + p.Version + "-" + p.Release, p.NEVRA.String(),
		rpm.NEVRA{Name: p.Name, EVR: rpm.EVR{Version: p.Version, Release: p.Release}, Arch: p.Arch}.String()} {
		o.nevras[form] = true
	}
	for _, c := range p.Provides {
		o.provides[c.Name] = true
	}
	for _, f := range p.Files {
		o.files[f.Path] = true
	}
}

// check reports a name of %packages that nothing matches.
func (o *offer) check(name string) error {
	if o.names[name] || o.nevras[name] || o.provides[name] {
		return nil
	}
	if strings.HasPrefix(name, "/") || strings.ContainsAny(name, "<>=( ") {
		return nil // a file that only filelists may know, or a versioned requirement: dnf decides
	}
	if strings.ContainsAny(name, "*?[") {
		for n := range o.names {
			if ok, err := path.Match(name, n); ok || err != nil {
				return nil
			}
		}
		return fmt.Errorf("no package matches %q", name)
	}
	return fmt.Errorf("no repository has a package %q%s", name, meant(name, o.names))
}

func meant[V any](name string, known map[string]V) string {
	if n, ok := near.Name(name, slices.Sorted(maps.Keys(known))); ok {
		return fmt.Sprintf(": did you mean %s?", n)
	}
	return ""
}

// group returns what to ask dnf for to get a group. dnf has no way to say
// which kinds of its packages are wanted, so where the kickstart does, the
// group is taken apart.
func (o *offer) group(g kickstart.Group, excluded []string) ([]string, error) {
	group := o.groups[g.Name]
	if group == nil {
		return nil, fmt.Errorf("no repository has a group %q%s", g.Name, meant(g.Name, o.groups))
	}
	if !g.NoDefaults && !g.Optional {
		return []string{"@" + g.Name}, nil
	}
	var names []string
	for _, p := range group.Packages {
		wanted := p.Type == repo.Mandatory || p.Type == repo.Default && !g.NoDefaults || p.Type == repo.Optional && g.Optional
		if wanted && o.names[p.Name] {
			names = append(names, p.Name)
		}
	}
	return names, nil
}

// environment returns what to ask dnf for to get an environment without the groups that are excluded.
func (o *offer) environment(id string, excluded []string) ([]string, error) {
	e := o.environments[id]
	if e == nil {
		return nil, fmt.Errorf("no repository has an environment %q%s", id, meant(id, o.environments))
	}
	if !slices.ContainsFunc(e.Groups, func(g string) bool { return slices.Contains(excluded, g) }) {
		return []string{"@^" + id}, nil
	}
	var specs []string
	for _, g := range e.Groups {
		if !slices.Contains(excluded, g) && o.groups[g] != nil {
			specs = append(specs, "@"+g)
		}
	}
	return specs, nil
}
