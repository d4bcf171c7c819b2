// Package diff compares two images by what their manifests or locks say:
// packages, sizes, files and artifacts.
package diff

import (
	"cmp"
	"slices"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/manifest"
)

// Schema names the format of a Report as JSON, and its version.
const Schema = "respin/diff/v1"

// A Report says how two images differ. What only manifests know (artifacts,
// files, sources) is left out where one side is a lock; the packages that the
// tools come from are left out unless both are.
type Report struct {
	Schema     string              `json:"schema"`
	Old        Input               `json:"old"`
	New        Input               `json:"new"`
	Same       bool                `json:"same"`
	Packages   []Package           `json:"packages"`
	Tools      []Package           `json:"tools,omitempty"` // of the buildroot
	Advisories []manifest.Advisory `json:"advisories,omitempty"`
	Installed  Size                `json:"installed"` // of all packages' contents
	Artifacts  []Artifact          `json:"artifacts,omitempty"`
	Files      []Sized             `json:"files,omitempty"`     // of the root tree and the file systems
	Kickstart  bool                `json:"kickstart,omitempty"` // whether its text differs, where both sides know it
	Sources    []Source            `json:"sources,omitempty"`   // of the kickstart
}

// Input says what was compared.
type Input struct {
	File     string `json:"file"`
	Image    string `json:"image"`
	Packages int    `json:"packages"` // how many there are
}

// Artifact is a file of the image that differs. One that is only on one side has size 0 on the other.
type Artifact struct {
	Change string `json:"change"` // Added, Removed or Updated
	Format string `json:"format"`
	Old    string `json:"old,omitempty"` // path
	New    string `json:"new,omitempty"`
	Size   Size   `json:"size"`
}

// Sized is something whose size differs.
type Sized struct {
	Name string `json:"name"`
	Size Size   `json:"size"`
}

// Source is a file of the kickstart that differs.
type Source struct {
	Change string `json:"change"` // Added, Removed or Updated
	Path   string `json:"path"`
}

// Compare compares two sides. x explains updates; it may be nil.
func Compare(old, new *Side, x *advisory.Index) *Report {
	explained := advisory.Collection{}
	r := &Report{
		Schema: Schema, Old: input(old), New: input(new),
		Packages:  Packages(old.Packages, new.Packages, x, explained),
		Installed: Size{installed(old.Packages), installed(new.Packages)},
	}
	r.Advisories = explained.List()
	if r.Packages == nil {
		r.Packages = []Package{}
	}
	if old.Lock != nil && new.Lock != nil {
		r.Tools = Packages(old.Lock.Buildroot, new.Lock.Buildroot, nil, explained)
	}
	if old.Manifest != nil && new.Manifest != nil {
		r.Artifacts = artifacts(old.Manifest.Artifacts, new.Manifest.Artifacts)
		r.Files = files(old.Manifest.Build, new.Manifest.Build)
		r.Sources = sources(old.Manifest.Kickstart, new.Manifest.Kickstart)
	}
	before, after := old.kickstart(), new.kickstart()
	r.Kickstart = before != "" && after != "" && before != after
	r.Same = !r.Kickstart && len(r.Packages)+len(r.Tools)+len(r.Artifacts)+len(r.Files)+len(r.Sources) == 0
	return r
}

// Of returns the packages with one of the changes.
func (r *Report) Of(changes ...string) []Package {
	var all []Package
	for _, p := range r.Packages {
		if slices.Contains(changes, p.Change) {
			all = append(all, p)
		}
	}
	return all
}

func input(s *Side) Input { return Input{s.Name, s.Image, len(s.Packages)} }

func installed(packages []manifest.Package) int64 {
	var sum int64
	for _, p := range packages {
		sum += p.Installed
	}
	return sum
}

// artifacts compares files by format, and those of one format in their order.
func artifacts(old, new []manifest.Artifact) []Artifact {
	var all []Artifact
	var formats []string
	group := func(list []manifest.Artifact) map[string][]manifest.Artifact {
		by := map[string][]manifest.Artifact{}
		for _, a := range list {
			by[a.Format] = append(by[a.Format], a)
			formats = append(formats, a.Format)
		}
		return by
	}
	before, after := group(old), group(new)
	slices.Sort(formats)
	for _, format := range slices.Compact(formats) {
		o, n := before[format], after[format]
		for i := range max(len(o), len(n)) {
			a := Artifact{Change: Updated, Format: format}
			if i < len(o) {
				a.Old, a.Size.Old = o[i].Path, o[i].Size
			} else {
				a.Change = Added
			}
			if i < len(n) {
				a.New, a.Size.New = n[i].Path, n[i].Size
			} else {
				a.Change = Removed
			}
			if a.Change != Updated || a.Size.Grown() != 0 || o[i].SHA256 != n[i].SHA256 {
				all = append(all, a)
			}
		}
	}
	return all
}

// files compares what the root tree and the file systems hold.
func files(old, new *manifest.Build) []Sized {
	var all []Sized
	add := func(name string, before, after int64) {
		if before != after {
			all = append(all, Sized{name, Size{before, after}})
		}
	}
	add("files of the root tree", old.TreeBytes, new.TreeBytes)
	used := func(b *manifest.Build) map[string]int64 {
		by := map[string]int64{}
		for _, f := range b.Filesystems {
			by[cmp.Or(f.Mount, f.Label, f.Type)] += f.Used
		}
		return by
	}
	before, after := used(old), used(new)
	var names []string
	for _, by := range []map[string]int64{before, after} {
		for name := range by {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		add("file system "+name, before[name], after[name])
	}
	return all
}

// sources compares the files that the kickstarts were rendered from.
func sources(old, new *manifest.Kickstart) []Source {
	digests := func(k *manifest.Kickstart) map[string]string {
		by := map[string]string{}
		if k != nil {
			for _, s := range k.Sources {
				by[s.Path] = s.Digest
			}
		}
		return by
	}
	before, after := digests(old), digests(new)
	var all []Source
	for path, digest := range before {
		switch now, ok := after[path]; {
		case !ok:
			all = append(all, Source{Removed, path})
		case now != digest:
			all = append(all, Source{Updated, path})
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			all = append(all, Source{Added, path})
		}
	}
	slices.SortFunc(all, func(a, b Source) int { return cmp.Compare(a.Path, b.Path) })
	return all
}
