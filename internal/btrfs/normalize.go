package btrfs

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Identity is what takes the place of chance and clock.
type Identity struct {
	UUID func(purpose string) string // a UUID's text; the same for the same purpose
	Time int64                       // seconds since 1970
}

// Normalize rewrites the file system in f, which fills the file.
func Normalize(f *os.File, id Identity) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	n, err := normalize(f, st.Size(), id)
	if err == nil {
		err = n.punch(f)
	}
	if err != nil {
		return fmt.Errorf("normalizing a btrfs: %w", err)
	}
	return nil
}

// readWriter is what is normalized; an *os.File is one.
type readWriter interface {
	io.ReaderAt
	io.WriterAt
}

func normalize(f readWriter, size int64, id Identity) (*normalizer, error) {
	v, err := open(f, size)
	if err != nil {
		return nil, err
	}
	n := &normalizer{volume: v, out: f, id: id, uuids: map[[16]byte][16]byte{}, chunkTree: parseUUID(id.UUID("btrfs chunk tree"))}
	if err := n.survey(); err != nil {
		return nil, err
	}
	return n, n.rewrite()
}

func parseUUID(text string) [16]byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		panic("btrfs: " + text + " is no UUID")
	}
	return [16]byte(b)
}

type normalizer struct {
	*volume
	out       io.WriterAt
	id        Identity
	chunkTree [16]byte
	uuids     map[[16]byte][16]byte // of subvolumes: the random one to ours
	roots     []uint64              // of all trees
	live      []span                // what the trees refer to, on the device
}

// A span is a part of the device.
type span struct{ start, end int64 }

// survey finds the trees, the subvolumes and everything that is in use.
func (n *normalizer) survey() error {
	n.roots = []uint64{n.chunkRoot, n.root}
	err := n.walk(n.root, func(b *block) error {
		return b.each(func(k key, item []byte) error {
			if k.kind != typeRoot {
				return nil
			}
			if len(item) < rootSize {
				return errTruncated
			}
			n.roots = append(n.roots, le.Uint64(item[rootBytenr:]))
			if random := [16]byte(item[rootUUID:]); random != [16]byte{} {
				n.uuids[random] = parseUUID(n.id.UUID(fmt.Sprint("btrfs subvolume ", k.object)))
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, at := range superOffsets {
		n.live = append(n.live, span{at, at + superSize})
	}
	for _, root := range n.roots {
		if err := n.walk(root, n.inUse); err != nil {
			return err
		}
	}
	return nil
}

// inUse notes a block, and the data that it refers to if it is of the extent tree.
func (n *normalizer) inUse(b *block) error {
	if len(n.live) > maxLive {
		return fmt.Errorf("there are more than %d extents", maxLive)
	}
	for _, at := range b.places {
		n.live = append(n.live, span{at, at + int64(n.nodeSize)})
	}
	return b.each(func(k key, item []byte) error {
		if k.kind != typeExtent {
			return nil
		}
		places, err := n.places(k.object, int64(k.offset))
		for _, at := range places {
			n.live = append(n.live, span{at, at + int64(k.offset)})
		}
		return err
	})
}

// maxLive bounds what a damaged file system can make us remember.
const maxLive = 8 << 20

// rewrite changes every block of every tree in place.
func (n *normalizer) rewrite() error {
	for _, root := range n.roots {
		if err := n.walk(root, n.rewriteBlock); err != nil {
			return err
		}
	}
	return nil
}

func (n *normalizer) rewriteBlock(b *block) error {
	copy(b.data[headerChunkUUID:], n.chunkTree[:])
	subvolumes := false
	err := b.each(func(k key, item []byte) error {
		switch k.kind {
		case typeInode:
			return n.rewriteInode(item)
		case typeXattr:
			return rewriteXattrs(item, b.data[headerTransid:headerTransid+8])
		case typeRoot:
			return n.rewriteRoot(item)
		case typeDevExtent:
			if len(item) < devExtentUUID+16 {
				return errTruncated
			}
			copy(item[devExtentUUID:], n.chunkTree[:])
		case typeSubvolume:
			subvolumes = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if subvolumes {
		if err := n.rewriteSubvolumes(b); err != nil {
			return err
		}
	}
	if err := b.clean(); err != nil {
		return err
	}
	return n.write(b)
}

const devExtentUUID = 32

// Of an inode item: access, change, modification and creation time, each
// seconds (8 bytes) and nanoseconds (4 bytes).
const (
	inodeSize  = 160
	inodeTimes = 112
	timeSize   = 12
)

// rewriteInode sets the times that mkfs takes from the clock; the file's own
// time stays unless it is later.
func (n *normalizer) rewriteInode(item []byte) error {
	if len(item) < inodeSize {
		return errTruncated
	}
	const modification = 2
	for i := range 4 {
		t := item[inodeTimes+i*timeSize:]
		if i != modification || int64(le.Uint64(t)) >= n.id.Time {
			n.setTime(t)
		}
	}
	return nil
}

func (n *normalizer) setTime(t []byte) {
	le.PutUint64(t, uint64(n.id.Time))
	le.PutUint32(t[8:], 0)
}

// Of the items of extended attributes, which are like a folder's: the
// transaction, the lengths of value and name, and where the name begins.
const (
	entryTransid = 17
	entryLengths = 25
	entryName    = 30
)

// rewriteXattrs sets the transaction that added an attribute, which mkfs
// leaves to chance, to the one that wrote the block.
func rewriteXattrs(item, transid []byte) error {
	for len(item) > 0 {
		if len(item) < entryName {
			return errTruncated
		}
		copy(item[entryTransid:], transid)
		size := entryName + int(le.Uint16(item[entryLengths:])) + int(le.Uint16(item[entryLengths+2:]))
		if size > len(item) {
			return errTruncated
		}
		item = item[size:]
	}
	return nil
}

// Of a root item.
const (
	rootDirectory = 168
	rootBytenr    = 176
	rootUUID      = 247
	rootTimes     = 327 // of the last change and of creation
	rootSize      = 439
)

func (n *normalizer) rewriteRoot(item []byte) error {
	if len(item) < rootSize {
		return errTruncated
	}
	ours, ok := n.uuids[[16]byte(item[rootUUID:])]
	if !ok {
		return nil // a tree that is no subvolume has neither UUID nor times
	}
	copy(item[rootUUID:], ours[:])
	n.setTime(item[rootTimes:])
	n.setTime(item[rootTimes+timeSize:])
	return nil
}

// rewriteSubvolumes changes a leaf of the tree that finds subvolumes by their
// UUIDs. The UUIDs are its keys, so the items are put into their new order.
func (n *normalizer) rewriteSubvolumes(b *block) error {
	count := int(le.Uint32(b.data[headerItems:]))
	items := make([][]byte, count)
	for i := range items {
		at := b.data[headerSize+i*itemSize : headerSize+(i+1)*itemSize]
		items[i] = bytes.Clone(at)
		k := parseKey(at)
		if k.kind != typeSubvolume {
			continue
		}
		var random [16]byte
		le.PutUint64(random[:], k.object)
		le.PutUint64(random[8:], k.offset)
		ours, ok := n.uuids[random]
		if !ok {
			return fmt.Errorf("block %d names a subvolume that there is not", b.logical)
		}
		key{le.Uint64(ours[:]), k.kind, le.Uint64(ours[8:])}.put(items[i])
	}
	slices.SortFunc(items, func(x, y []byte) int {
		a, b := parseKey(x), parseKey(y)
		if a.less(b) {
			return -1
		} else if b.less(a) {
			return 1
		}
		return 0
	})
	return b.arrange(items)
}

// clean clears what items that were moved or deleted have left in a block:
// all that is between the list of items and the first item's data.
func (b *block) clean() error {
	end, each := len(b.data), pointerSize
	if b.data[headerLevel] == 0 {
		each = itemSize
	}
	count := int(le.Uint32(b.data[headerItems:]))
	if count > (len(b.data)-headerSize)/each {
		return errTruncated
	}
	for i := range count {
		if each == itemSize {
			end = min(end, headerSize+int(le.Uint32(b.data[headerSize+i*itemSize+keySize:])))
		}
	}
	start := headerSize + count*each
	if start > end {
		return errTruncated
	}
	clear(b.data[start:end])
	return nil
}

// arrange gives a leaf its items in a new order; their data follow it.
func (b *block) arrange(items [][]byte) error {
	old := bytes.Clone(b.data)
	end := len(b.data) - headerSize
	for i, item := range items {
		start, size := int(le.Uint32(item[keySize:])), int(le.Uint32(item[keySize+4:]))
		if start < 0 || size < 0 || headerSize+start+size > len(old) || end-size < 0 {
			return errTruncated
		}
		end -= size
		copy(b.data[headerSize+end:], old[headerSize+start:headerSize+start+size])
		le.PutUint32(item[keySize:], uint32(end))
		copy(b.data[headerSize+i*itemSize:], item)
	}
	return nil
}

// punch makes holes of everything that is not in use.
func (n *normalizer) punch(f *os.File) error {
	slices.SortFunc(n.live, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var at int64
	for _, e := range append(n.live, span{n.size, n.size}) {
		if e.start > at && at < n.size {
			length := min(e.start, n.size) - at
			if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, length); err != nil {
				return fmt.Errorf("punching out what is not in use: %w", err)
			}
		}
		at = max(at, e.end)
	}
	return nil
}

// write writes a block and its copies, with a new checksum.
func (n *normalizer) write(b *block) error {
	le.PutUint32(b.data, checksum(b.data))
	for _, at := range b.places {
		if _, err := n.out.WriteAt(b.data, at); err != nil {
			return fmt.Errorf("writing block %d: %w", b.logical, err)
		}
	}
	return nil
}
