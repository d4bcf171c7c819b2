// Package tree packs a root tree into one file and unpacks it again, with
// owners, modes, times, hard links, devices and extended attributes.
//
// The format is tar, in the PAX form with SCHILY.xattr records (POSIX.1-2001,
// and star's extension), compressed by zstd (RFC 8878). The same tree gives the same bytes.
package tree

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const xattrRecord = "SCHILY.xattr."

// Pack writes the tree below dir to w. The folder dir itself is part of it.
func Pack(w io.Writer, dir string) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	p := packer{tar.NewWriter(z), dir, map[uint64]string{}}
	if err := filepath.WalkDir(dir, p.add); err != nil {
		return err
	}
	return errors.Join(p.tar.Close(), z.Close())
}

type packer struct {
	tar  *tar.Writer
	dir  string
	seen map[uint64]string // the first name of each inode with several
}

func (p *packer) add(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name, err := filepath.Rel(p.dir, path)
	if err != nil {
		return err
	}
	h, node, err := Header(path, name)
	if err != nil || h == nil {
		return err
	}
	if node != 0 {
		if first, ok := p.seen[node]; ok {
			h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
		} else {
			p.seen[node] = name
		}
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(p.tar, f); err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	return nil
}

// Header returns what an archive says of the file at path, under a name in it;
// nil for a socket, which means nothing without its process. node tells the
// names of one file from those of others; it is 0 for a file with one name.
func Header(path, name string) (h *tar.Header, node uint64, err error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, 0, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	h = &tar.Header{
		Name: name, Format: tar.FormatPAX, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Sec, st.Mtim.Nsec),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(path); err != nil {
			return nil, 0, err
		}
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = map[uint32]byte{unix.S_IFCHR: tar.TypeChar, unix.S_IFBLK: tar.TypeBlock}[st.Mode&unix.S_IFMT]
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	default:
		return nil, 0, nil
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		node = st.Ino
	}
	h.PAXRecords, err = attributes(path)
	return h, node, err
}

// attributes returns a file's extended attributes as PAX records, nil if there are none.
func attributes(path string) (map[string]string, error) {
	var names [64 << 10]byte
	n, err := unix.Llistxattr(path, names[:])
	if err != nil || n == 0 {
		if errors.Is(err, unix.ENOTSUP) {
			err = nil
		}
		return nil, err
	}
	records := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		var value [64 << 10]byte
		n, err := unix.Lgetxattr(path, name, value[:])
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", name, path, err)
		}
		records[xattrRecord+name] = string(value[:n])
	}
	return records, nil
}

// Unpack makes the tree that Pack wrote in the empty folder dir.
func Unpack(r io.Reader, dir string) error {
	z, err := zstd.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacker{root: root, dir: dir}
	archive := tar.NewReader(z)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return u.dateFolders()
		} else if err != nil {
			return fmt.Errorf("unpacking a tree: %w", err)
		}
		if err := u.make(h, archive); err != nil {
			return fmt.Errorf("unpacking %s: %w", h.Name, err)
		}
	}
}

// An unpacker makes files below root. Names are resolved in root, so that a
// link made before cannot lead out of it.
type unpacker struct {
	root    *os.Root
	dir     string
	folders []*tar.Header // their times come last, for filling them changes them
}

func (u *unpacker) make(h *tar.Header, content io.Reader) error {
	name := filepath.Clean(h.Name)
	if !filepath.IsLocal(name) {
		return errors.New("its name leads out of the tree")
	}
	mode := uint32(h.Mode) & 0o7777
	switch h.Typeflag {
	case tar.TypeDir:
		u.folders = append(u.folders, h)
		if name != "." {
			if err := u.root.Mkdir(name, 0o700); err != nil {
				return err
			}
		}
	case tar.TypeReg:
		f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := u.root.Symlink(h.Linkname, name); err != nil {
			return err
		}
	case tar.TypeLink:
		return u.root.Link(h.Linkname, name)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if err := u.special(h, name, mode); err != nil {
			return err
		}
	default:
		return fmt.Errorf("entries of type %q are not known", h.Typeflag)
	}
	return u.dress(h, name, mode)
}

func (u *unpacker) special(h *tar.Header, name string, mode uint32) error {
	kind := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}[h.Typeflag]
	parent, err := u.root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	return unix.Mknodat(int(parent.Fd()), filepath.Base(name), kind|mode, int(dev))
}

// dress sets owner, attributes, mode and time; the owner first, because
// changing it clears capabilities and set-uid bits.
func (u *unpacker) dress(h *tar.Header, name string, mode uint32) error {
	if err := u.root.Lchown(name, h.Uid, h.Gid); err != nil {
		return err
	}
	parent, err := u.root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	path := fmt.Sprintf("/proc/self/fd/%d/%s", parent.Fd(), filepath.Base(name))
	for record, value := range h.PAXRecords {
		if attribute, ok := strings.CutPrefix(record, xattrRecord); ok {
			if err := unix.Lsetxattr(path, attribute, []byte(value), 0); err != nil {
				return fmt.Errorf("setting %s: %w", attribute, err)
			}
		}
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Fchmodat(int(parent.Fd()), filepath.Base(name), mode, 0); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return setTime(int(parent.Fd()), filepath.Base(name), h.ModTime)
}

func setTime(folder int, name string, t time.Time) error {
	spec := unix.NsecToTimespec(t.UnixNano())
	return unix.UtimesNanoAt(folder, name, []unix.Timespec{spec, spec}, unix.AT_SYMLINK_NOFOLLOW)
}

// dateFolders sets the folders' times, the innermost first.
func (u *unpacker) dateFolders() error {
	for i := len(u.folders) - 1; i >= 0; i-- {
		if err := setTime(unix.AT_FDCWD, filepath.Join(u.dir, filepath.Clean(u.folders[i].Name)), u.folders[i].ModTime); err != nil {
			return err
		}
	}
	return nil
}
