package btrfs

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/unixfs"
)

// A tree is the files of a subvolume.
type tree struct {
	fs   *FS
	root uint64 // logical
}

// An inode is a file, folder or link.
type inode struct {
	tree   *tree
	number uint64
	size   int64
	mode   uint32
}

// find calls item for the items of one object and kind.
func (t *tree) find(object uint64, kind byte, from uint64, item func(k key, data []byte) (bool, error)) error {
	return t.fs.items(t.root, key{object, kind, from}, func(k key, data []byte) (bool, error) {
		if k.object != object || k.kind != kind {
			return false, nil
		}
		return item(k, data)
	})
}

func (t *tree) inode(number uint64) (*inode, error) {
	var found *inode
	err := t.find(number, typeInode, 0, func(_ key, data []byte) (bool, error) {
		if len(data) < 56 {
			return false, errors.New("a btrfs inode is damaged")
		}
		found = &inode{t, number, int64(le.Uint64(data[16:])), le.Uint32(data[52:])}
		return false, nil
	})
	if err == nil && (found == nil || found.size < 0) {
		err = fmt.Errorf("the btrfs inode %d is missing or damaged", number)
	}
	return found, err
}

// Kind says what the inode is.
func (i *inode) Kind() unixfs.Kind { return unixfs.ModeKind(i.mode) }

// nameHash is where a name is in its folder: a CRC-32C that begins with all
// bits but the last and is not inverted at the end.
func nameHash(name string) uint64 {
	return uint64(^crc32.Update(1, castagnoli, []byte(name)))
}

// Lookup returns the inode of a name in a folder. Other subvolumes are not
// entered: their roots are found by Roots.
func (i *inode) Lookup(name string) (unixfs.Node, error) {
	var found *inode
	hash := nameHash(name)
	err := i.tree.find(i.number, typeDirItem, hash, func(k key, data []byte) (bool, error) {
		if k.offset != hash {
			return false, nil
		}
		for len(data) >= 30 { // names with the same hash
			location, end := parseKey(data), 30+int(le.Uint16(data[27:]))
			if end > len(data) {
				return false, errors.New("a btrfs folder is damaged")
			}
			if string(data[30:end]) == name && location.kind == typeInode {
				var err error
				found, err = i.tree.inode(location.object)
				return false, err
			}
			data = data[min(end+int(le.Uint16(data[25:])), len(data)):]
		}
		return false, nil
	})
	if err == nil && found == nil {
		err = fs.ErrNotExist
	}
	return found, err
}

// An extent is a part of a file.
type extent struct {
	off, size int64 // in the file, bytes
	packed    []byte
	logical   uint64 // where the packed bytes are, if they are not inline
	onDisk    int64  // how many
	unpacked  int64
	skip      int64 // of what was unpacked, bytes
	kind      uint8 // of compression
}

// A File is a file's contents.
type File struct {
	fs      *FS
	size    int64
	extents []extent
	last    int    // the extent that data is of; -1 if none
	data    []byte // unpacked
}

const (
	maxExtents  = 1 << 18 // of a file
	maxUnpacked = 1 << 20 // of a compressed extent, bytes; there are 128 KiB in practice
)

// Contents is what the file holds, or where the link points.
func (i *inode) Contents() (unixfs.File, error) {
	f := &File{fs: i.tree.fs, size: i.size, last: -1}
	err := i.tree.find(i.number, typeExtentData, 0, func(k key, data []byte) (bool, error) {
		if len(data) < 21 || len(f.extents) > maxExtents {
			return false, errors.New("a btrfs file's extents are damaged")
		}
		e := extent{off: int64(k.offset), unpacked: int64(le.Uint64(data[8:])), kind: data[16]}
		switch kind := data[20]; {
		case kind == 0: // inline
			e.packed, e.size = bytes.Clone(data[21:]), e.unpacked
		case kind == 2: // allocated, and never written to
			return true, nil
		case len(data) < 53:
			return false, errors.New("a btrfs file's extents are damaged")
		default:
			e.logical, e.onDisk = le.Uint64(data[21:]), int64(le.Uint64(data[29:]))
			e.skip, e.size = int64(le.Uint64(data[37:])), int64(le.Uint64(data[45:]))
			if e.logical == 0 { // a hole
				return true, nil
			}
		}
		if e.off < 0 || e.size < 0 || e.skip < 0 || e.onDisk < 0 || e.unpacked < 0 || e.skip > e.unpacked || e.size > e.unpacked-e.skip {
			return false, errors.New("a btrfs file's extents are damaged")
		}
		f.extents = append(f.extents, e)
		return true, nil
	})
	return f, err
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
	for i, e := range f.extents {
		from, to := max(off, e.off), min(off+int64(n), e.off+e.size)
		if from >= to {
			continue
		}
		if err := f.readExtent(p[from-off:to-off], i, e.skip+from-e.off); err != nil {
			return 0, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readExtent reads what the extent i has at off, once it is unpacked.
func (f *File) readExtent(p []byte, i int, off int64) error {
	e := f.extents[i]
	if e.kind == 0 && e.packed == nil {
		return f.fs.readData(p, e.logical+uint64(off))
	}
	if f.last != i {
		data, err := f.unpack(e)
		if err != nil {
			return err
		}
		f.data, f.last = data, i
	}
	if off > int64(len(f.data)) {
		return nil // zeros, which an extent does not store at its end
	}
	copy(p, f.data[off:])
	return nil
}

func (f *File) unpack(e extent) ([]byte, error) {
	packed := e.packed
	if packed == nil {
		if e.onDisk > maxUnpacked || e.unpacked > maxUnpacked {
			return nil, errors.New("a compressed btrfs extent is too large")
		}
		packed = make([]byte, e.onDisk)
		if err := f.fs.readData(packed, e.logical); err != nil {
			return nil, err
		}
	}
	var r io.Reader
	switch e.kind {
	case 0:
		return packed, nil
	case 1:
		z, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		r = z
	case 3:
		z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxUnpacked))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	default:
		return nil, fmt.Errorf("btrfs compression %d cannot be read", e.kind)
	}
	data := make([]byte, min(e.unpacked, maxUnpacked))
	n, err := io.ReadFull(r, data) // zeros fill the sector behind the packed bytes
	if err != nil && err != io.ErrUnexpectedEOF && n < len(data) {
		return nil, err
	}
	return data[:n], nil
}
