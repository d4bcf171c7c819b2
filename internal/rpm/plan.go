package rpm

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
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

// findLinks finds where the packages' symbolic links really are. One may lead
// to another, so this goes on until nothing changes.
func (p *plan) findLinks() error {
	for range maxLinks {
		p.real = map[string]string{"/": "/"}
		next := map[string]string{}
		err := p.each(func(_ claim, f *File) error {
			if f.Mode&modeType != modeLink {
				return nil
			}
			real, err := p.realPath(f.Path)
			next[real] = f.Link
			return err
		})
		if err != nil {
			return err
		}
		if maps.Equal(next, p.links) {
			return nil
		}
		p.links = next
	}
	return errors.New("unpacking: the packages' symbolic links lead in circles")
}

// realPath returns the real path of a file: links in its folder are followed,
// the file itself is not.
func (p *plan) realPath(file string) (string, error) {
	if file == "/" {
		return "/", nil
	}
	dir, err := p.realFolder(path.Dir(file), 0)
	return path.Join(dir, path.Base(file)), err
}

// realFolder returns the real path of a folder, which need not be there.
func (p *plan) realFolder(dir string, links int) (string, error) {
	if real, ok := p.real[dir]; ok {
		return real, nil
	}
	parent, err := p.realFolder(path.Dir(dir), links)
	if err != nil {
		return "", err
	}
	real := path.Join(parent, path.Base(dir))
	if target, ok := p.link(real); ok {
		if links == maxLinks {
			return "", fmt.Errorf("%s: %w", dir, unix.ELOOP)
		}
		if real, err = p.follow(parent, target, links+1); err != nil {
			return "", err
		}
	}
	p.real[dir] = real
	return real, nil
}

// follow returns where the target of a link in the folder from leads.
func (p *plan) follow(from, target string, links int) (string, error) {
	if path.IsAbs(target) {
		from = "/"
	}
	for name := range strings.SplitSeq(target, "/") {
		switch name {
		case "", ".":
		case "..":
			from = path.Dir(from)
		default:
			var err error
			if from, err = p.realFolder(path.Join(from, name), links); err != nil {
				return "", err
			}
		}
	}
	return from, nil
}

// link returns the target of the symbolic link at a real path, from a package or in root.
func (p *plan) link(real string) (string, bool) {
	if target, ok := p.links[real]; ok {
		return target, true
	}
	if p.empty {
		return "", false
	}
	target, err := p.root.Readlink(relative(real))
	return target, err == nil
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
	for real, c := range p.claims {
		if _, folder := p.folders[real]; folder && p.file(c).Mode&modeType != modeDir {
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

// makeFolders makes the folders that are needed. What they are to be like in
// the end is set when they are full: one may not be writable then.
func (p *plan) makeFolders() error {
	for _, real := range slices.Sorted(maps.Keys(p.folders)) {
		rel := relative(real)
		err := p.root.Mkdir(rel, 0o700)
		if errors.Is(err, fs.ErrExist) || rel == "." {
			var st fs.FileInfo
			if st, err = p.root.Lstat(rel); err == nil && !st.IsDir() {
				err = &fs.PathError{Op: "mkdir", Path: real, Err: unix.ENOTDIR}
			} else if err == nil && st.Mode().Perm()&0o700 != 0o700 {
				p.narrow[real] = st.Mode()
				err = p.root.Chmod(rel, st.Mode()|0o700)
			}
		} else if err == nil {
			p.narrow[real] = fs.ModeDir | 0o755 // what nobody owns
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finishFolders gives the folders their modes, owners and times, the innermost first.
func (p *plan) finishFolders() error {
	w := &worker{plan: p, folders: map[string]*os.File{}}
	defer w.forget()
	for _, real := range slices.Backward(slices.Sorted(maps.Keys(p.folders))) {
		if c, ok := p.claims[real]; ok {
			if err := w.finishFolder(real, p.file(c)); err != nil {
				return err
			}
		} else if mode, ok := p.narrow[real]; ok {
			if err := p.root.Chmod(relative(real), mode); err != nil {
				return err
			}
		}
	}
	return nil
}
