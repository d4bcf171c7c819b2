// Package layer makes layers of container images from root trees (OCI Image
// Format Specification 1.1, layer.md): sorted, with times that do not depend
// on when it was made, and with extended attributes. The same tree gives the
// same bytes, whether it comes as a folder or as an archive.
package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/compression"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/tree"
	"golang.org/x/sys/unix"
)

const xattrRecord = "SCHILY.xattr."

// A Tree is a root tree that can be written as a layer.
type Tree struct {
	// Newest is the latest time in the tree.
	Newest time.Time

	entries map[string]*entry // by their paths, without a slash at either end
	close   func() error
}

// An entry is one file of the tree.
type entry struct {
	header *tar.Header
	node   uint64 // the same for the names of one file; 0: it has one name
	open   func() (io.ReadCloser, error)
}

// Open reads what is in a tree: a folder, or a tar archive that may be compressed.
func Open(path string) (*Tree, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var t *Tree
	if st.IsDir() {
		t, err = openFolder(path)
	} else {
		t, err = openArchive(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the tree %s: %w", path, err)
	}
	return t, nil
}

// Close closes the archive that the tree is in.
func (t *Tree) Close() error { return t.close() }

// Has reports whether a path is in the tree, through symbolic links of its folders.
func (t *Tree) Has(path string) bool {
	path = strings.Trim(path, "/")
	if t.entries[path] != nil {
		return true
	}
	first, rest, ok := strings.Cut(path, "/") // /bin is a link to usr/bin
	if e := t.entries[first]; ok && e != nil && e.header.Typeflag == tar.TypeSymlink {
		return t.entries[strings.Trim(e.header.Linkname, "/")+"/"+rest] != nil
	}
	return false
}

func (t *Tree) add(name string, e *entry) {
	name = strings.Trim(path.Clean("/"+name), "/")
	if name == "" {
		return // the root itself is whoever unpacks it to make
	}
	e.header.Name = name
	if e.header.ModTime.After(t.Newest) {
		t.Newest = e.header.ModTime
	}
	t.entries[name] = e
}

func openFolder(dir string) (*Tree, error) {
	t := &Tree{entries: map[string]*entry{}, close: func() error { return nil }}
	return t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		h, node, err := tree.Header(path, name)
		if err != nil || h == nil {
			return err
		}
		t.add(name, &entry{h, node, func() (io.ReadCloser, error) {
			f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
			if err != nil {
				return nil, err
			}
			return f, nil
		}})
		return nil
	})
}

// openArchive finds where the files are in an archive, which may stand in
// any order there. One that is compressed is unpacked to a file without a name.
func openArchive(name string) (*Tree, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if f, err = unpacked(f); err != nil {
		return nil, err
	}
	t := &Tree{entries: map[string]*entry{}, close: f.Close}
	if err := t.read(f); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// unpacked returns f, or a file with what is compressed in it.
func unpacked(f *os.File) (*os.File, error) {
	var start [262]byte
	n, err := f.ReadAt(start[:], 0)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, err
	}
	if n == len(start) && string(start[257:]) == "ustar" {
		return f, nil
	}
	defer f.Close()
	r, err := compression.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out, err := scratch()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(out, r); err == nil {
		_, err = out.Seek(0, io.SeekStart)
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// scratch is a file without a name, for what is too large for memory.
func scratch() (*os.File, error) {
	f, err := os.CreateTemp("", "respin-layer-*")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// read takes in an archive's members. tar.Reader reads no further than it has to, so that
// the file's position after each header is where the data is.
func (t *Tree) read(f *os.File) error {
	archive := tar.NewReader(f)
	node := uint64(0)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return hint.Wrap(err, "the root tree is a folder, or a tar archive, also one packed by gzip, xz, zstd or bzip2")
		}
		if h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.size"] != "" {
			return hint.Wrap(fmt.Errorf("%s is stored with holes", h.Name), "make the archive without --sparse")
		}
		off, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		size := h.Size
		e := &entry{header: h, open: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(f, off, size)), nil }}
		switch h.Typeflag {
		case tar.TypeLink:
			target := t.entries[strings.Trim(path.Clean("/"+h.Linkname), "/")]
			if target == nil {
				return fmt.Errorf("%s is a link to %s, which is not before it in the archive", h.Name, h.Linkname)
			}
			if target.node == 0 {
				node++
				target.node = node
			}
			same := *target.header
			same.Name = h.Name
			e.header, e.node, e.open = &same, target.node, target.open
		case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		case tar.TypeXGlobalHeader:
			continue
		default:
			return fmt.Errorf("%s is of the type %q, which is not known", h.Name, h.Typeflag)
		}
		t.add(h.Name, e)
	}
}

// Write writes the tree as a tar archive. No time in it is later than most.
func (t *Tree) Write(w io.Writer, most time.Time) error {
	names := make([]string, 0, len(t.entries))
	for name := range t.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	archive := tar.NewWriter(w)
	first := map[uint64]string{} // names by their nodes
	for _, name := range names {
		e := t.entries[name]
		h := normal(e.header, most)
		if e.node != 0 {
			if target, ok := first[e.node]; ok {
				h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, target, 0, nil
			} else {
				first[e.node] = name
			}
		}
		if err := archive.WriteHeader(h); err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := contents(archive, e); err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
	}
	return archive.Close()
}

func contents(w io.Writer, e *entry) error {
	f, err := e.open()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}

// normal is a header without what depends on where and when the tree was made.
func normal(from *tar.Header, most time.Time) *tar.Header {
	h := &tar.Header{
		Typeflag: from.Typeflag, Name: from.Name, Linkname: from.Linkname, Size: from.Size, Mode: from.Mode & 0o7777,
		Uid: from.Uid, Gid: from.Gid, ModTime: from.ModTime.Truncate(time.Second), Devmajor: from.Devmajor, Devminor: from.Devminor,
	}
	if h.ModTime.After(most) {
		h.ModTime = most
	}
	if h.Typeflag == tar.TypeDir {
		h.Name += "/"
	}
	if h.Typeflag != tar.TypeReg {
		h.Size = 0
	}
	for record, value := range from.PAXRecords {
		attribute, ok := strings.CutPrefix(record, xattrRecord)
		// Labels are the host's that runs the container; overlay's are of the tree's own mount.
		if !ok || attribute == "security.selinux" || strings.HasPrefix(attribute, "trusted.overlay.") || strings.HasPrefix(attribute, "user.overlay.") {
			continue
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[record] = value
	}
	return h
}
