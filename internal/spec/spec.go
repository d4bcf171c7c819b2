// Package spec reads specs/<image>/image.yaml, which says of an image what its
// kickstart cannot: releases, architectures, signing keys, formats, limits and
// smoke tests. It renders one kickstart, and one manifest, for each release
// and architecture. docs/kickstart.md describes the fields and the variables
// of templates.
package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/near"
)

// FileName is the name of the spec in an image's folder.
const FileName = "image.yaml"

// A Spec is one image.yaml, or what stands for it where a kickstart is rendered alone.
type Spec struct {
	Name         string
	Summary      string
	File         string // path of the image.yaml; empty if the kickstart has none
	Kickstart    string // path
	ImageRelease string // of the images made from it
	Releases     []Release
	Vars         map[string]any

	said  *manifest.Spec // what holds for every release and architecture; nil for a kickstart alone
	stdin bool           // the kickstart comes from standard input
}

// A Release is one release of the distribution that the image is made for.
type Release struct {
	Version string           // such as "43"
	Syntax  kickstart.Syntax // empty: the kickstart's #version= or the version decides
	Arches  []string         // as RPM names them
	Vars    map[string]any   // in place of the spec's
	keys    []manifest.Key   // its own and the spec's
}

// A Target is one image that a spec describes.
type Target struct {
	*Spec
	Release Release
	Arch    string
}

// ID is the image's name among files and in messages.
func (t Target) ID() string { return t.image(t.ImageRelease).ID() }

// Lock is the path of the image's lock: lock.ARCH.json beside the spec, or
// beside the kickstart if there is none, and lock.VERSION.ARCH.json where the
// spec has several releases.
func (t Target) Lock() string {
	folder := filepath.Dir(t.Kickstart)
	if t.File != "" {
		folder = filepath.Dir(t.File)
	}
	name := "lock." + t.Arch + ".json"
	if len(t.Releases) > 1 {
		name = "lock." + t.Release.Version + "." + t.Arch + ".json"
	}
	return filepath.Join(folder, name)
}

func (t Target) image(release string) manifest.Image {
	return manifest.Image{Name: t.Name, Version: t.Release.Version, Release: release, Arch: t.Arch, Summary: t.Summary}
}

// Read reads a spec: its folder, or the file itself.
func Read(path string) (*Spec, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, FileName)
	}
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) && filepath.Base(path) == FileName {
		return nil, hint.Wrap(err, "a spec is a folder that holds %s", FileName)
	} else if err != nil {
		return nil, err
	}
	return parse(filepath.Clean(path), data)
}

// targets returns the images of the spec, release by release. Where versions
// or arches are given, only those, and one that the spec does not have is an error.
func (s *Spec) targets(versions, arches []string) ([]Target, error) {
	var targets []Target
	var haveVersions, haveArches []string
	for _, r := range s.Releases {
		haveVersions = append(haveVersions, r.Version)
		for _, arch := range r.Arches {
			haveArches = append(haveArches, arch)
			if wanted(versions, r.Version) && wanted(arches, arch) {
				targets = append(targets, Target{s, r, arch})
			}
		}
	}
	slices.Sort(haveArches)
	if err := s.missing("release", versions, haveVersions); err != nil {
		return nil, err
	}
	if err := s.missing("architecture", arches, slices.Compact(haveArches)); err != nil {
		return nil, err
	}
	return targets, nil
}

func wanted(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }

func (s *Spec) missing(what string, wanted, have []string) error {
	for _, w := range wanted {
		if slices.Contains(have, w) {
			continue
		}
		err := fmt.Errorf("%s is not made for %s %q", s.Name, what, w)
		if meant, ok := near.Name(w, have); ok {
			return hint.Wrap(err, "did you mean %s? It is made for %s", meant, strings.Join(have, ", "))
		}
		return hint.Wrap(err, "it is made for %s", strings.Join(have, ", "))
	}
	return nil
}
