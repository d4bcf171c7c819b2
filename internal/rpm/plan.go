package rpm

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// plan is what Extract is going to do, decided from headers before anything is touched.
//
// Paths in it are real: absolute inside root, with no symbolic link in any of
// their folders, those of the packages and of root followed as if root were "/". So one file has one
// path there, and creating it needs no link to be followed.
type plan struct {
	root     *os.Root
	packages []*Package
	options  Options
	files    [][]File
	empty    bool // root is: no need to look for what is there

	links   map[string]string   // targets of the symbolic links that packages bring, by real path
	real    map[string]string   // folders' real paths, as far as they are known
	claims  map[string]claim    // who brings what, by real path
	folders map[string]struct{} // real paths of all folders that are needed
	owned   []map[int]string    // for each package, the real paths of the files that it is to create
	narrow  map[string]fs.FileMode
}

// claim is one file of one package.
type claim struct{ pkg, file int }

// maxLinks is how many symbolic links may lead to one file, as in Linux.
const maxLinks = 40

func newPlan(root *os.Root, packages []*Package, o Options) (*plan, error) {
	p := &plan{
		root: root, packages: packages, options: o, files: make([][]File, len(packages)),
		claims: map[string]claim{}, folders: map[string]struct{}{}, narrow: map[string]fs.FileMode{},
	}
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	names, _ := d.Readdirnames(1)
	d.Close()
	p.empty = len(names) == 0
	for i, pkg := range packages {
		if pkg.IsSource() {
			return nil, fmt.Errorf("unpacking %s: %w", pkg.NEVRA(), errSource)
		}
		if p.files[i], err = pkg.Files(); err != nil {
			return nil, fmt.Errorf("unpacking %w", err)
		}
	}
	if err := p.findLinks(); err != nil {
		return nil, err
	}
	if err := p.claimAll(); err != nil {
		return nil, err
	}
	p.owned = make([]map[int]string, len(packages))
	for i := range p.owned {
		p.owned[i] = map[int]string{}
	}
	for real, c := range p.claims {
		p.owned[c.pkg][c.file] = real
	}
	return p, nil
}

// wanted reports whether a file is created at all.
func (p *plan) wanted(f *File) bool {
	device := f.Mode&modeType == modeChar || f.Mode&modeType == modeBlock
	switch {
	case f.Flags&FlagGhost != 0,
		p.options.SkipDocs && f.Flags&FlagDoc != 0,
		device && p.options.SkipDevices:
		return false
	}
	return true
}

// each calls do for every file that is wanted.
func (p *plan) each(do func(c claim, f *File) error) error {
	for i := range p.files {
		for j := range p.files[i] {
			f := &p.files[i][j]
			if !p.wanted(f) {
				continue
			}
			if err := do(claim{i, j}, f); err != nil {
				return fmt.Errorf("unpacking %s: %w", p.packages[i].NEVRA(), err)
			}
		}
	}
	return nil
}

// relative turns a real path into one for os.Root.
func relative(real string) string {
	if real == "/" {
		return "."
	}
	return real[1:]
}

// claimAll decides which package creates which file.
func (p *plan) claimAll() error {
	err := p.each(func(c claim, f *File) error {
		if t := f.Mode & modeType; t == modeChar || t == modeBlock {
			return fmt.Errorf("%s is a device node", f.Path)
		}
		real, err := p.realPath(f.Path)
		if err != nil {
			return err
		}
		p.need(path.Dir(real))
		if f.Mode&modeType == modeDir {
			if _, linked := p.link(real); linked { // the link stays and leads to the folder
				folder, err := p.realFolder(f.Path, 0)
				p.need(folder)
				return err
			}
			p.need(real)
		}
		return p.claim(real, c)
	})
	if err != nil {
		return err
	}
	for _, real := range slices.Sorted(maps.Keys(p.folders)) {
		if c, ok := p.claims[real]; ok && p.file(c).Mode&modeType != modeDir {
			return fmt.Errorf("unpacking %s: %s is a file, but other files are in it", p.packages[c.pkg].NEVRA(), real)
		}
	}
	return nil
}

// need notes that a folder and those above it are needed.
func (p *plan) need(dir string) {
	for {
		if _, ok := p.folders[dir]; ok {
			return
		}
		p.folders[dir] = struct{}{}
		if dir == "/" {
			return
		}
		dir = path.Dir(dir)
	}
}

func (p *plan) file(c claim) *File { return &p.files[c.pkg][c.file] }

// claim gives a path to c, unless another has it already and keeps it.
func (p *plan) claim(real string, c claim) error {
	old, taken := p.claims[real]
	if !taken {
		p.claims[real] = c
		return nil
	}
	a, b := p.file(old), p.file(c)
	switch {
	case same(a, b):
		p.claims[real] = c // packages are sorted, so that the same one wins always
	case a.Color != 0 && b.Color > a.Color:
		p.claims[real] = c
	case b.Color != 0 && a.Color > b.Color:
	default:
		return &ConflictError{real, p.packages[old.pkg].NEVRA(), p.packages[c.pkg].NEVRA()}
	}
	return nil
}

// same reports whether two packages may share a file, by rpm's rule.
func same(a, b *File) bool {
	if a.Mode != b.Mode || a.User != b.User || a.Group != b.Group {
		return false
	}
	switch a.Mode & modeType {
	case modeRegular:
		return a.Size == b.Size && strings.EqualFold(a.Digest, b.Digest)
	case modeLink:
		return a.Link == b.Link
	}
	return true
}
