package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/respin-project/respin/internal/btrfs"
	"github.com/respin-project/respin/internal/ext4"
	"github.com/respin-project/respin/internal/rpmdb"
	"github.com/respin-project/respin/internal/unixfs"
)

// A System is the distribution that is installed on a disk.
type System struct {
	Name     string `json:"name"`               // PRETTY_NAME of os-release
	ID       string `json:"id,omitempty"`       // such as "fedora"
	Version  string `json:"version,omitempty"`  // VERSION_ID, such as "43"
	Packages int    `json:"packages,omitempty"` // in the RPM database
}

// Where things are in a root file system.
const osRelease = "/usr/lib/os-release"

var rpmDatabases = []string{"/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite"}

// readSystem looks for a distribution in the file systems that can be read.
func (img *Image) readSystem(parts []*io.SectionReader) {
	for i, part := range parts {
		kind := img.FileSystem
		if img.Table != nil {
			kind = img.Table.Partitions[i].FileSystem
		}
		if kind == nil {
			continue
		}
		roots, err := openRoots(kind.Type, part)
		if err != nil {
			img.missing("distribution", err)
		}
		for _, root := range roots {
			system, err := readSystem(root)
			if err != nil {
				img.missing("distribution", err)
			}
			if system != nil {
				img.System = system
				return
			}
		}
	}
}

// openRoots returns the folders of a file system that may be a system's root,
// none for a kind that cannot be read.
func openRoots(kind string, part io.ReaderAt) ([]unixfs.Node, error) {
	switch kind {
	case "ext4":
		f, err := ext4.Open(part)
		if err != nil {
			return nil, err
		}
		root, err := f.Root()
		return []unixfs.Node{root}, err
	case "btrfs":
		f, err := btrfs.Open(part)
		if err != nil {
			return nil, err
		}
		return f.Roots()
	}
	return nil, nil
}

// readSystem returns the distribution whose root is a folder, nil for none.
func readSystem(root unixfs.Node) (*System, error) {
	release, err := unixfs.Open(root, osRelease)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	text := make([]byte, min(release.Size(), 64<<10))
	if _, err := release.ReadAt(text, 0); err != nil && err != io.EOF {
		return nil, err
	}
	s := parseRelease(string(text))
	for _, name := range rpmDatabases {
		db, err := unixfs.Open(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return s, err
		}
		if s.Packages, err = rpmdb.Count(db); err != nil {
			return s, fmt.Errorf("reading %s: %w", name, err)
		}
		break
	}
	return s, nil
}

// parseRelease reads an os-release file (os-release(5)).
func parseRelease(text string) *System {
	s := new(System)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "PRETTY_NAME":
			s.Name = value
		case "ID":
			s.ID = value
		case "VERSION_ID":
			s.Version = value
		}
	}
	return s
}
