// Package ext4 reads files out of ext4 file systems without mounting them, as
// Documentation/filesystems/ext4 in the kernel's sources describes them. It
// reads what mke2fs makes of a tree: files in extents, folders of any kind,
// symbolic links. It trusts nothing that it reads.
package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/respin-project/respin/internal/unixfs"
)

const (
	magic     = 0xef53
	rootInode = 2

	// Incompatible features, and a flag of inodes.
	metaGroups   = 0x10
	extents      = 0x40
	sixtyFour    = 0x80
	inodeExtents = 0x80000

	maxFolder  = 16 << 20 // bytes
	maxExtents = 1 << 16  // of a file
	maxDepth   = 5        // of their tree
)

var le = binary.LittleEndian

// An FS is a file system. It may be read by several goroutines.
type FS struct {
	part       io.ReaderAt
	blockSize  int64
	firstBlock int64
	perGroup   uint32 // inodes
	inodes     uint32
	inodeSize  int64
	descSize   int64
}

// Open returns the file system in a partition.
func Open(part io.ReaderAt) (*FS, error) {
	s := make([]byte, 1024)
	if _, err := part.ReadAt(s, 1024); err != nil {
		return nil, err
	}
	f := &FS{
		part:       part,
		firstBlock: int64(le.Uint32(s[0x14:])),
		perGroup:   le.Uint32(s[0x28:]),
		inodes:     le.Uint32(s[0x00:]),
		inodeSize:  int64(le.Uint16(s[0x58:])),
		descSize:   32,
	}
	incompat := le.Uint32(s[0x60:])
	if incompat&sixtyFour != 0 {
		f.descSize = int64(le.Uint16(s[0xfe:]))
	}
	shift := le.Uint32(s[0x18:])
	switch {
	case le.Uint16(s[0x38:]) != magic:
		return nil, errors.New("it is no ext4 file system")
	case shift > 6 || f.perGroup == 0 || f.inodeSize < 128 || f.inodeSize > 65536 || f.descSize < 32 || f.descSize > 1024:
		return nil, errors.New("the ext4 superblock is damaged")
	case incompat&metaGroups != 0 || incompat&extents == 0:
		return nil, fmt.Errorf("the ext4 features %#x cannot be read", incompat)
	}
	f.blockSize = 1024 << shift
	return f, nil
}

// An inode is a file, folder or link.
type inode struct {
	fs    *FS
	mode  uint16
	size  int64
	flags uint32
	block [60]byte // the root of the extents, or a short link's target
}

func (f *FS) inode(n uint32) (*inode, error) {
	if n == 0 || n > f.inodes {
		return nil, fmt.Errorf("inode %d does not exist", n)
	}
	group, index := int64((n-1)/f.perGroup), int64((n-1)%f.perGroup)
	desc := make([]byte, f.descSize)
	if _, err := f.part.ReadAt(desc, (f.firstBlock+1)*f.blockSize+group*f.descSize); err != nil {
		return nil, err
	}
	table := int64(le.Uint32(desc[8:]))
	if f.descSize >= 64 {
		table |= int64(le.Uint32(desc[0x28:])) << 32
	}
	raw := make([]byte, 128)
	if _, err := f.part.ReadAt(raw, table*f.blockSize+index*f.inodeSize); err != nil {
		return nil, err
	}
	i := &inode{
		fs:    f,
		mode:  le.Uint16(raw),
		size:  int64(le.Uint32(raw[4:])) | int64(le.Uint32(raw[0x6c:]))<<32,
		flags: le.Uint32(raw[0x20:]),
	}
	copy(i.block[:], raw[0x28:])
	if i.size < 0 {
		return nil, fmt.Errorf("inode %d has a size that is not possible", n)
	}
	return i, nil
}

// A File is a file's contents.
type File struct {
	fs      *FS
	size    int64
	extents []extent
}

// An extent is a run of blocks of a file. Holes are between extents.
type extent struct {
	first, count int64 // in the file
	start        int64 // in the file system
}

// Size is the file's, in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt reads the file.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.size-off))
	clear(p[:n])
	for _, e := range f.extents {
		start, end := e.first*f.fs.blockSize, (e.first+e.count)*f.fs.blockSize
		from, to := max(off, start), min(off+int64(n), end)
		if from >= to {
			continue
		}
		if _, err := f.fs.part.ReadAt(p[from-off:to-off], e.start*f.fs.blockSize+from-start); err != nil {
			return 0, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Kind says what the inode is.
func (i *inode) Kind() unixfs.Kind { return unixfs.ModeKind(uint32(i.mode)) }

// Contents is what the file holds, or where the link points.
func (i *inode) Contents() (unixfs.File, error) {
	if i.Kind() == unixfs.Link && i.flags&inodeExtents == 0 && i.size < int64(len(i.block)) {
		return bytes.NewReader(i.block[:i.size]), nil
	}
	return i.contents()
}

func (i *inode) contents() (*File, error) {
	if i.flags&inodeExtents == 0 {
		return nil, errors.New("it has its data not in extents")
	}
	file := &File{fs: i.fs, size: i.size}
	return file, i.fs.walk(file, i.block[:], maxDepth)
}

// walk collects the extents of a node of the tree; depth is how deep it may still go.
func (f *FS) walk(file *File, node []byte, depth int) error {
	count, level := int(le.Uint16(node[2:])), int(le.Uint16(node[6:]))
	if le.Uint16(node) != 0xf30a || 12+12*count > len(node) || level > depth {
		return errors.New("its extents are damaged")
	}
	for e := node[12:]; count > 0; e, count = e[12:], count-1 {
		if level == 0 {
			n := int64(le.Uint16(e[4:]))
			if n > 32768 { // allocated, and never written to: zeros
				continue
			}
			file.extents = append(file.extents, extent{
				first: int64(le.Uint32(e)),
				count: n,
				start: int64(le.Uint16(e[6:]))<<32 | int64(le.Uint32(e[8:])),
			})
			if len(file.extents) > maxExtents {
				return errors.New("it has too many extents")
			}
			continue
		}
		next := make([]byte, f.blockSize)
		at := int64(le.Uint16(e[8:]))<<32 | int64(le.Uint32(e[4:]))
		if _, err := f.part.ReadAt(next, at*f.blockSize); err != nil {
			return err
		}
		if err := f.walk(file, next, level-1); err != nil {
			return err
		}
	}
	return nil
}

// Lookup returns the inode of a name in a folder.
func (i *inode) Lookup(name string) (unixfs.Node, error) {
	if i.size > maxFolder {
		return nil, errors.New("the folder is too large")
	}
	file, err := i.contents()
	if err != nil {
		return nil, err
	}
	block := make([]byte, i.fs.blockSize)
	for off := int64(0); off < i.size; off += i.fs.blockSize {
		if _, err := file.ReadAt(block, off); err != nil && err != io.EOF {
			return nil, err
		}
		for b := block; len(b) >= 8; {
			n, length := le.Uint32(b), int(le.Uint16(b[4:]))
			if length < 8 || length > len(b) {
				break
			}
			if end := 8 + int(b[6]); n != 0 && end <= length && string(b[8:end]) == name {
				return i.fs.inode(n)
			}
			b = b[length:]
		}
	}
	return nil, fs.ErrNotExist
}

// Root returns the root folder.
func (f *FS) Root() (unixfs.Node, error) { return f.inode(rootInode) }
