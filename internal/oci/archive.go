package oci

import (
	"archive/tar"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// readable is what an archive is read from.
type readable interface {
	io.ReadSeeker
	io.ReaderAt
}

func openLayoutArchive(f readable) (*layout, error) {
	members, err := membersOf(f)
	if err != nil {
		return nil, err
	}
	return &layout{seen: map[v1.Hash]bool{}, close: func() error { return nil }, open: func(name string) (section, error) {
		s, ok := members[name]
		if !ok {
			return section{}, fmt.Errorf("there is no %s in it", name)
		}
		return s, nil
	}}, nil
}

// membersOf finds the files in an archive of a layout.
func membersOf(f readable) (map[string]section, error) {
	members := map[string]section{}
	archive := tar.NewReader(f)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			if len(members) == 0 {
				return nil, errNoLayout
			}
			return nil, err
		}
		if h.Typeflag != tar.TypeReg || h.PAXRecords["GNU.sparse.major"] != "" {
			continue
		}
		off, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		members[path.Clean(h.Name)] = section{io.NewSectionReader(f, off, h.Size), h.Size}
		if len(members) > maxMembers {
			return nil, errNoLayout
		}
	}
	if _, ok := members["oci-layout"]; !ok {
		return nil, errNoLayout
	}
	return members, nil
}
