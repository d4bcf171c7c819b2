// Package btrfs reads and rewrites btrfs file systems without mounting them. It
// trusts nothing that it reads.
//
// Open reads files, of subvolumes too, in extents or inline, compressed with zlib or zstd.
//
// Normalize makes a freshly made file system the same in every build. mkfs.btrfs --rootdir lays equal trees out equally, but it draws some
// UUIDs at random, takes some times from the clock, and leaves the blocks of
// its own intermediate states behind. Normalize replaces the first two in place,
// with new checksums, and punches out what no tree refers to.
//
// The format is that of https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html.
package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

var le = binary.LittleEndian

// castagnoli is the polynomial of crc32c, the checksum that mkfs.btrfs uses.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Where the superblock and its copies are, and what is in it.
const (
	superSize = 4096
	superMain = 64 << 10

	superMagic     = 0x40
	superRoot      = 0x50
	superChunkRoot = 0x58
	superTotal     = 0x70
	superDevices   = 0x88
	superNodeSize  = 0x94
	superArraySize = 0xa0
	superChecksum  = 0xc4
	superRootLevel = 0xc6
	superArray     = 0x32b
	superArrayMax  = 2048
)

var superOffsets = []int64{superMain, 64 << 20, 256 << 30}

// The header of a tree block.
const (
	headerBytenr    = 0x30
	headerChunkUUID = 0x40
	headerTransid   = 0x50
	headerItems     = 0x60
	headerLevel     = 0x64
	headerSize      = 0x65

	keySize     = 17
	itemSize    = keySize + 8  // of a leaf: key, offset, size
	pointerSize = keySize + 16 // of a node: key, block, generation
)

// Types of items that matter here.
const (
	typeInode      = 1
	typeXattr      = 24
	typeDirItem    = 84
	typeExtentData = 108
	typeRoot       = 132
	typeExtent     = 168
	typeDevExtent  = 204
	typeChunk      = 228
	typeSubvolume  = 251 // in the UUID tree
)

// A key names an item of a tree.
type key struct {
	object uint64
	kind   byte
	offset uint64
}

func parseKey(b []byte) key {
	return key{le.Uint64(b), b[8], le.Uint64(b[9:])}
}

func (k key) put(b []byte) {
	le.PutUint64(b, k.object)
	b[8] = k.kind
	le.PutUint64(b[9:], k.offset)
}

func (k key) less(o key) bool {
	if k.object != o.object {
		return k.object < o.object
	}
	if k.kind != o.kind {
		return k.kind < o.kind
	}
	return k.offset < o.offset
}

// A chunk maps a range of logical addresses to one place of the device, or to
// two copies.
type chunk struct {
	start, length uint64
	copies        []uint64
}

// A volume is a file system in a file.
type volume struct {
	f         io.ReaderAt
	size      int64
	nodeSize  int
	chunks    []chunk
	root      uint64 // of the tree of tree roots
	chunkRoot uint64
	reads     int64 // of blocks that are still allowed
}

// maxNode is the largest block that the format allows, bytes.
const maxNode = 64 << 10

// open reads the superblock and the chunks.
func open(f io.ReaderAt, size int64) (*volume, error) {
	super := make([]byte, superSize)
	if _, err := f.ReadAt(super, superMain); err != nil {
		return nil, fmt.Errorf("reading the superblock: %w", err)
	}
	if string(super[superMagic:superMagic+8]) != "_BHRfS_M" {
		return nil, errors.New("there is no btrfs")
	}
	v := &volume{
		f: f, size: size, nodeSize: int(le.Uint32(super[superNodeSize:])),
		root: le.Uint64(super[superRoot:]), chunkRoot: le.Uint64(super[superChunkRoot:]),
	}
	switch {
	case le.Uint16(super[superChecksum:]) != 0:
		return nil, errors.New("its checksums are not crc32c")
	case le.Uint64(super[superDevices:]) != 1:
		return nil, errors.New("it has several devices")
	case v.nodeSize < 4096 || v.nodeSize > maxNode || v.nodeSize&(v.nodeSize-1) != 0:
		return nil, fmt.Errorf("its blocks of %d bytes are not allowed", v.nodeSize)
	}
	// No block is needed more than a few times; trees that refer to one block
	// again and again would never end.
	v.reads = 16 * (size/int64(v.nodeSize) + 1)
	n := int(le.Uint32(super[superArraySize:]))
	if n > superArrayMax {
		return nil, errors.New("its list of system chunks is too long")
	}
	for array := super[superArray : superArray+n]; len(array) > 0; {
		if len(array) < keySize {
			return nil, errTruncated
		}
		used, err := v.addChunk(parseKey(array), array[keySize:])
		if err != nil {
			return nil, err
		}
		array = array[keySize+used:]
	}
	return v, v.readChunks()
}

var errTruncated = errors.New("a structure is cut short")

// addChunk notes a chunk item and returns its length.
func (v *volume) addChunk(k key, item []byte) (int, error) {
	const fixed, stripe = 48, 32
	if len(item) < fixed {
		return 0, errTruncated
	}
	n := int(le.Uint16(item[44:]))
	if n < 1 || n > 2 || len(item) < fixed+n*stripe {
		return 0, fmt.Errorf("a chunk has %d stripes", n)
	}
	c := chunk{start: k.offset, length: le.Uint64(item)}
	for i := range n {
		c.copies = append(c.copies, le.Uint64(item[fixed+i*stripe+8:]))
	}
	v.chunks = append(v.chunks, c)
	return fixed + n*stripe, nil
}

// readChunks replaces the system chunks by all that the chunk tree lists.
func (v *volume) readChunks() error {
	system := v.chunks
	var all []chunk
	err := v.walk(v.chunkRoot, func(b *block) error {
		v.chunks = nil
		err := b.each(func(k key, item []byte) error {
			if k.kind != typeChunk {
				return nil
			}
			_, err := v.addChunk(k, item)
			return err
		})
		all = append(all, v.chunks...)
		v.chunks = system
		return err
	})
	v.chunks = all
	return err
}

// places returns where a range of logical addresses is on the device.
func (v *volume) places(logical uint64, length int64) ([]int64, error) {
	for _, c := range v.chunks {
		if logical < c.start || logical-c.start >= c.length {
			continue
		}
		var places []int64
		for _, at := range c.copies {
			place := int64(at + logical - c.start)
			if place < 0 || length < 0 || place > v.size-length {
				return nil, fmt.Errorf("address %d is beyond the device", logical)
			}
			places = append(places, place)
		}
		return places, nil
	}
	return nil, fmt.Errorf("address %d is in no chunk", logical)
}

// A block is one block of a tree.
type block struct {
	data    []byte
	logical uint64
	places  []int64
}

func (v *volume) read(logical uint64) (*block, error) {
	if v.reads--; v.reads < 0 {
		return nil, errors.New("its trees refer to themselves")
	}
	places, err := v.places(logical, int64(v.nodeSize))
	if err != nil {
		return nil, err
	}
	b := &block{data: make([]byte, v.nodeSize), logical: logical, places: places}
	if _, err := v.f.ReadAt(b.data, places[0]); err != nil {
		return nil, fmt.Errorf("reading block %d: %w", logical, err)
	}
	if le.Uint64(b.data[headerBytenr:]) != logical {
		return nil, fmt.Errorf("block %d is another one", logical)
	}
	if le.Uint32(b.data) != checksum(b.data) {
		return nil, fmt.Errorf("block %d has a wrong checksum", logical)
	}
	return b, nil
}

// maxLevel is the height that no tree exceeds.
const maxLevel = 8

// walk calls do for each block of the tree with that root, parents first.
func (v *volume) walk(root uint64, do func(*block) error) error {
	return v.walkFrom(root, key{}, do)
}

// walkFrom does so from the leaf on that a key is in, or would be.
func (v *volume) walkFrom(root uint64, from key, do func(*block) error) error {
	return v.descend(root, maxLevel, from, do)
}

func (v *volume) descend(logical uint64, below int, from key, do func(*block) error) error {
	b, err := v.read(logical)
	if err != nil {
		return err
	}
	level := int(b.data[headerLevel])
	if level >= below {
		return fmt.Errorf("block %d has level %d below one of level %d", logical, level, below)
	}
	if err := do(b); err != nil || level == 0 {
		return err
	}
	n := int(le.Uint32(b.data[headerItems:]))
	if n > (len(b.data)-headerSize)/pointerSize {
		return errTruncated
	}
	for i := range n {
		pointer := b.data[headerSize+i*pointerSize:]
		// What comes before from is also what comes before the next key.
		if i+1 < n && !from.less(parseKey(pointer[pointerSize:])) {
			continue
		}
		if err := v.descend(le.Uint64(pointer[keySize:]), level, from, do); err != nil {
			return err
		}
	}
	return nil
}

// each calls do for each item of a leaf; a node has none.
func (b *block) each(do func(k key, item []byte) error) error {
	if b.data[headerLevel] != 0 {
		return nil
	}
	n := int(le.Uint32(b.data[headerItems:]))
	if n > (len(b.data)-headerSize)/itemSize {
		return errTruncated
	}
	for i := range n {
		at := b.data[headerSize+i*itemSize:]
		start, size := uint64(le.Uint32(at[keySize:]))+headerSize, uint64(le.Uint32(at[keySize+4:]))
		if start+size > uint64(len(b.data)) {
			return errTruncated
		}
		if err := do(parseKey(at), b.data[start:start+size]); err != nil {
			return err
		}
	}
	return nil
}

// checksum is what a block's first bytes must be.
func checksum(block []byte) uint32 { return crc32.Checksum(block[32:], castagnoli) }
