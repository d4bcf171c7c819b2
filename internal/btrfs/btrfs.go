// Package btrfs reads files out of btrfs file systems without mounting them,
// as btrfs-dev-docs ("On-disk Format") describes them. It reads what
// mkfs.btrfs makes of a tree on one device: subvolumes, files in extents,
// inline or compressed with zlib or zstd. It trusts nothing that it reads.
package btrfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/respin-project/respin/internal/unixfs"
)

const (
	superblockAt = 64 << 10
	nodeHeader   = 101 // bytes
	itemSize     = 25  // of a leaf's, bytes: a key, where its data are, how long
	pointerSize  = 33  // of an inner node's, bytes: a key, a node, its generation
	maxNodes     = 1 << 18

	// Types of keys.
	inodeItem  = 1
	dirItem    = 84
	extentData = 108
	rootItem   = 132
	chunkItem  = 228

	topLevel       = 5   // the tree of files that is no subvolume
	firstSubvolume = 256 // the least number of one

	striped = 1<<3 | 1<<6 | 1<<7 | 1<<8 // RAID 0, 10, 5 and 6
)

var le = binary.LittleEndian

// A key orders the items of a tree.
type key struct {
	object uint64
	kind   uint8
	offset uint64
}

func (k key) compare(o key) int {
	if k.object != o.object {
		if k.object < o.object {
			return -1
		}
		return 1
	}
	if k.kind != o.kind {
		return int(k.kind) - int(o.kind)
	}
	if k.offset != o.offset {
		if k.offset < o.offset {
			return -1
		}
		return 1
	}
	return 0
}

// parseKey reads a key from 17 bytes.
func parseKey(b []byte) key { return key{le.Uint64(b), b[8], le.Uint64(b[9:])} }

// A chunk maps logical addresses to the device.
type chunk struct {
	logical, size int64
	physical      int64
}

// An FS is a file system. It is read by one goroutine at a time.
type FS struct {
	part     io.ReaderAt
	nodeSize int64
	chunks   []chunk // by logical address
	root     int64   // of the tree of roots, logical
	nodes    int     // read so far
}

// Open returns the file system in a partition.
func Open(part io.ReaderAt) (*FS, error) {
	s := make([]byte, 4096)
	if _, err := part.ReadAt(s, superblockAt); err != nil {
		return nil, err
	}
	if !bytes.Equal(s[0x40:0x48], []byte("_BHRfS_M")) {
		return nil, errors.New("it is no btrfs file system")
	}
	f := &FS{part: part, nodeSize: int64(le.Uint32(s[0x94:])), root: int64(le.Uint64(s[0x50:]))}
	if f.nodeSize < 4096 || f.nodeSize > 64<<10 {
		return nil, fmt.Errorf("btrfs nodes of %d bytes are not possible", f.nodeSize)
	}
	if n := le.Uint64(s[0x88:]); n != 1 {
		return nil, fmt.Errorf("a btrfs file system of %d devices cannot be read", n)
	}
	// The chunks that lead to the tree of all chunks.
	array := s[0x32b:]
	if n := le.Uint32(s[0xa0:]); n > 2048 {
		return nil, errors.New("the btrfs superblock is damaged")
	} else {
		array = array[:n]
	}
	for len(array) > 0 {
		if len(array) < 17 {
			return nil, errors.New("the btrfs superblock is damaged")
		}
		n, err := f.addChunk(parseKey(array), array[17:])
		if err != nil {
			return nil, err
		}
		array = array[17+n:]
	}
	err := f.walk(int64(le.Uint64(s[0x58:])), key{}, func(k key, data []byte) (bool, error) {
		if k.kind != chunkItem {
			return true, nil
		}
		_, err := f.addChunk(k, data)
		return true, err
	})
	return f, err
}

// addChunk adds a chunk and returns how many bytes its item has.
func (f *FS) addChunk(k key, item []byte) (int, error) {
	if len(item) < 80 {
		return 0, errors.New("a btrfs chunk is damaged")
	}
	size := 48 + 32*int(le.Uint16(item[44:]))
	c := chunk{int64(k.offset), int64(le.Uint64(item)), int64(le.Uint64(item[56:]))}
	if size < 80 || size > len(item) || k.kind != chunkItem || c.logical < 0 || c.size <= 0 || c.physical < 0 {
		return 0, errors.New("a btrfs chunk is damaged")
	}
	if le.Uint64(item[24:])&striped != 0 {
		return 0, errors.New("a striped btrfs file system cannot be read")
	}
	at, found := slices.BinarySearchFunc(f.chunks, c, func(a, b chunk) int {
		switch {
		case a.logical < b.logical:
			return -1
		case a.logical > b.logical:
			return 1
		}
		return 0
	})
	if !found {
		f.chunks = slices.Insert(f.chunks, at, c)
	}
	return size, nil
}

// read reads len(p) bytes at a logical address, which are in one chunk.
func (f *FS) read(p []byte, logical int64) error {
	for _, c := range f.chunks {
		if logical >= c.logical && logical-c.logical <= c.size-int64(len(p)) {
			_, err := f.part.ReadAt(p, c.physical+logical-c.logical)
			return err
		}
	}
	return fmt.Errorf("the btrfs address %d is in no chunk", logical)
}

// walk calls item for the items of a tree from a key on, until it returns false.
func (f *FS) walk(root int64, from key, item func(key, []byte) (bool, error)) error {
	_, err := f.walkNode(root, from, 8, item)
	return err
}

// walkNode does so for a node; its level must be less than below.
func (f *FS) walkNode(at int64, from key, below int, item func(key, []byte) (bool, error)) (more bool, err error) {
	if f.nodes++; f.nodes > maxNodes {
		return false, errors.New("the btrfs trees are damaged: they have no end")
	}
	node := make([]byte, f.nodeSize)
	if err := f.read(node, at); err != nil {
		return false, err
	}
	count, level := int(le.Uint32(node[0x60:])), int(node[0x64])
	size := itemSize
	if level > 0 {
		size = pointerSize
	}
	if level >= below || count < 0 || count > (len(node)-nodeHeader)/size || int64(le.Uint64(node[0x30:])) != at {
		return false, fmt.Errorf("the btrfs node at %d is damaged", at)
	}
	for i := range count {
		b := node[nodeHeader+i*size:]
		k := parseKey(b)
		if level > 0 {
			// What comes before from is also what comes before the next key.
			if i+1 < count && parseKey(b[size:]).compare(from) <= 0 {
				continue
			}
			if more, err := f.walkNode(int64(le.Uint64(b[17:])), from, level, item); !more || err != nil {
				return false, err
			}
			continue
		}
		if k.compare(from) < 0 {
			continue
		}
		off, n := int64(le.Uint32(b[17:])), int64(le.Uint32(b[21:]))
		if off+n > f.nodeSize-nodeHeader {
			return false, fmt.Errorf("the btrfs node at %d is damaged", at)
		}
		if more, err := item(k, node[nodeHeader+off:][:n]); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Roots returns the top-level folder and that of each subvolume.
func (f *FS) Roots() ([]unixfs.Node, error) {
	var roots []unixfs.Node
	err := f.walk(f.root, key{}, func(k key, data []byte) (bool, error) {
		if k.kind != rootItem || k.object != topLevel && (k.object < firstSubvolume || k.object > 1<<48) {
			return true, nil
		}
		if len(data) < 184 {
			return false, errors.New("a btrfs root is damaged")
		}
		tree := &tree{f, int64(le.Uint64(data[176:]))}
		node, err := tree.inode(le.Uint64(data[168:]))
		if err == nil {
			roots = append(roots, node)
		}
		return true, err
	})
	return roots, err
}
