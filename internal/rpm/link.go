package rpm

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

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
