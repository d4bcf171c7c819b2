package repo

import (
	"fmt"
	"path"
	"strings"
)

// filter leaves packages out, as dnf's excludepkgs and includepkgs do.
type filter struct{ excludes, includes []string }

func newFilter(excludes, includes []string) (*filter, error) {
	for _, pattern := range append(append([]string{}, excludes...), includes...) {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%q is no pattern of package names: %w", pattern, err)
		}
	}
	return &filter{excludes, includes}, nil
}

func (f *filter) keeps(p *Package) bool {
	return (len(f.includes) == 0 || p.matchesAny(f.includes)) && !p.matchesAny(f.excludes)
}

func (p *Package) matchesAny(patterns []string) bool {
	for _, pattern := range patterns {
		if p.Matches(pattern) {
			return true
		}
	}
	return false
}

// Matches reports whether a glob, as of dnf's excludepkgs and package
// arguments, is about the package: one of NAME, NAME.ARCH,
// NAME-[EPOCH:]VERSION, NAME-[EPOCH:]VERSION-RELEASE and
// NAME-[EPOCH:]VERSION-RELEASE.ARCH.
func (p *Package) Matches(pattern string) bool {
	// Nearly always the pattern is a name, or begins as one that this is not.
	if plain := strings.IndexAny(pattern, `*?[\`); plain < 0 && !strings.HasPrefix(pattern, p.Name) {
		return false
	} else if plain > 0 && !strings.HasPrefix(p.Name, pattern[:min(plain, len(p.Name))]) {
		return false
	}
	if match(pattern, p.Name) || match(pattern, p.Name+"."+p.Arch) {
		return true
	}
	for _, version := range []string{p.Version, fmt.Sprintf("%d:%s", p.Epoch, p.Version)} {
		for _, form := range []string{p.Name + "-" + version, p.Name + "-" + version + "-" + p.Release, p.Name + "-" + version + "-" + p.Release + "." + p.Arch} {
			if match(pattern, form) {
				return true
			}
		}
	}
	return false
}

func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
