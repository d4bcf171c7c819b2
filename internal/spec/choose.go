package spec

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/manifest"
)

// A Choice says which images are wanted. Empty fields choose all, or what the
// spec or the file says.
type Choice struct {
	Name     string
	Versions []string // of releases
	Arches   []string
}

// Choose returns the images that an argument stands for: a spec's folder, its
// file, a kickstart without a spec, or "-" for one on standard input.
func (c Choice) Choose(arg string) ([]Target, error) {
	st, err := os.Stat(arg)
	if err == nil && st.IsDir() || filepath.Ext(arg) == ".yaml" {
		s, err := Read(arg)
		if err != nil {
			return nil, err
		}
		s.Name = cmp.Or(c.Name, s.Name)
		return s.targets(c.Versions, c.Arches)
	}
	return c.alone(arg)
}

// alone returns the one image of a kickstart that has no spec. Its release may
// stay empty until the kickstart is read.
func (c Choice) alone(arg string) ([]Target, error) {
	if len(c.Versions) > 1 || len(c.Arches) > 1 {
		return nil, fmt.Errorf("%s: a kickstart without a spec is for one release and one architecture", arg)
	}
	s := &Spec{Kickstart: arg, ImageRelease: defaultImageRelease}
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(arg), ".tmpl"), ".ks")
	if arg == "-" {
		s.Kickstart, s.stdin, name = "standard input", true, "kickstart"
	}
	s.Name = cmp.Or(c.Name, name)
	release := Release{Version: strings.Join(c.Versions, ""), Arches: c.Arches}
	if len(release.Arches) == 0 {
		release.Arches = []string{manifest.HostArch()}
	}
	s.Releases = []Release{release}
	return s.targets(nil, nil)
}
