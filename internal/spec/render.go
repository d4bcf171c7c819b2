package spec

import (
	"cmp"
	"context"
	"io"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/manifest"
)

// Settings are what a run says in place of the spec.
type Settings struct {
	Syntax       kickstart.Syntax  // empty: as the spec has it
	Vars         map[string]string // of the templates
	ImageRelease string            // empty: as the spec has it
	Stdin        io.Reader         // where the kickstart called "-" comes from
}

// Render reads the kickstart of a target, with $releasever and $basearch
// resolved. What could be read is returned beside an error. A target without a
// version takes it from the #version= of its kickstart, if that has one.
func (t *Target) Render(ctx context.Context, set Settings) (*kickstart.Kickstart, error) {
	vars, err := t.variables(set.Vars)
	if err != nil {
		return nil, err
	}
	l := &kickstart.Loader{Syntax: cmp.Or(set.Syntax, t.Release.Syntax), Render: renderer(vars)}
	if t.Release.Version != "" {
		l.Fallback = SyntaxOf(t.Release.Version)
	}
	var k *kickstart.Kickstart
	if t.stdin {
		k, err = l.Read(ctx, t.Kickstart, set.Stdin)
	} else {
		k, err = l.Load(ctx, t.Kickstart)
	}
	if k == nil {
		return nil, err
	}
	if t.Release.Version == "" && k.Declared {
		t.Release.Version = strings.TrimLeft(string(k.Syntax), "FRHEL")
	}
	if t.Release.Version != "" {
		k.Resolve(t.Release.Version, t.Arch)
	}
	return k, err
}

// SyntaxOf returns the kickstart syntax of a release where nothing else says:
// "43" is Fedora 43, "10" is RHEL 10, for Fedora 10 is long gone, "10.1" too.
// It is the newest Fedora's for a release that is not known, such as "rawhide".
func SyntaxOf(version string) kickstart.Syntax {
	major, _, _ := strings.Cut(version, ".")
	for _, family := range []string{"F", "RHEL"} {
		if s, err := kickstart.ParseSyntax(family + major); err == nil {
			return s
		}
	}
	return kickstart.Newest()
}

// Manifest returns the manifest of a target that was rendered as k.
func (t Target) Manifest(k *kickstart.Kickstart, set Settings) *manifest.Manifest {
	release := t.ImageRelease
	if set.ImageRelease != "" {
		release = set.ImageRelease
	}
	m := &manifest.Manifest{Image: t.image(release), Kickstart: k.Manifest()}
	if t.said != nil {
		said := *t.said
		said.Keys, said.Lock = t.Release.keys, t.Lock()
		m.Spec = &said
	}
	return m
}
