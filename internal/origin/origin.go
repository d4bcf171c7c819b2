// Package origin knows where a kickstart takes its packages from: the
// repositories that its url and repo commands name.
package origin

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/repo"
)

// Main is what the repository of the url command is called.
const Main = "url"

// Of returns the repositories of a kickstart, each once, in its order; those
// that replace names have their URL from there. They have no keys: who fetches
// packages adds them. Those that the kickstart takes from Fedora have Fedora's
// archive as their fall-back, wherever their URL is from.
func Of(ks *kickstart.Kickstart, replace map[string]string) ([]repo.Repository, error) {
	all := unify(named(ks))
	replaced := map[string]bool{}
	for i := range all {
		r := &all[i]
		if base, ok := replace[r.Name]; ok {
			r.BaseURLs, r.Mirrorlist, r.Metalink = []string{base}, "", ""
			replaced[r.Name] = true
		}
		if len(r.BaseURLs) == 0 && r.Mirrorlist == "" && r.Metalink == "" {
			return nil, hint.Wrap(fmt.Errorf("repository %q has no URL", r.Name), "give it --baseurl, --metalink or --mirrorlist in the kickstart, or say --repo %s=URL", r.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(replace)) {
		if !replaced[name] {
			return nil, hint.Wrap(fmt.Errorf("--repo %s: the kickstart has no such repository", name), "it has %s", strings.Join(Names(ks), ", "))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no repository is named: add a url or repo command", ks.Path)
	}
	return all, nil
}

// Names are the names of a kickstart's repositories, in its order.
func Names(ks *kickstart.Kickstart) []string {
	var list []string
	for _, r := range unify(named(ks)) {
		list = append(list, r.Name)
	}
	return list
}

// named are the repositories as the kickstart has them.
func named(ks *kickstart.Kickstart) []repo.Repository {
	var all []repo.Repository
	commands := ks.All("repo")
	if c := ks.Last("url"); c != nil {
		commands = append([]*kickstart.Command{c}, commands...)
	}
	for _, c := range commands {
		r := repo.Repository{
			Name: Main, Mirrorlist: c.Value("--mirrorlist"), Metalink: c.Value("--metalink"),
			Excludes: c.List("--excludepkgs"), Includes: c.List("--includepkgs"), Cost: c.Int("--cost"),
		}
		if c.Name == "repo" {
			r.Name = c.Value("--name")
		}
		for _, option := range []string{"--baseurl", "--url"} {
			if base := c.Value(option); base != "" {
				r.BaseURLs = []string{base}
			}
		}
		if slices.ContainsFunc(append(r.BaseURLs, r.Metalink, r.Mirrorlist), fedora) {
			r.Fallbacks = []string{repo.FedoraArchive}
		}
		all = append(all, r)
	}
	return all
}

// fedora reports whether a URL is one of Fedora's own servers.
func fedora(address string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".fedoraproject.org")
}

// unify drops repositories that are the same as one before: Fedora's
// kickstarts name their main repository as url and as repo.
func unify(all []repo.Repository) []repo.Repository {
	var kept []repo.Repository
	for _, r := range all {
		same := slices.IndexFunc(kept, func(k repo.Repository) bool {
			return slices.Equal(k.BaseURLs, r.BaseURLs) && k.Mirrorlist == r.Mirrorlist && k.Metalink == r.Metalink &&
				slices.Equal(k.Excludes, r.Excludes) && slices.Equal(k.Includes, r.Includes)
		})
		if same < 0 {
			kept = append(kept, r)
		} else if kept[same].Name == Main {
			kept[same].Name = r.Name
		}
	}
	return kept
}
