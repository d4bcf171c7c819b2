package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/respin-project/respin/internal/block"
)

// A Reader is the disk in an image. It may be read by several goroutines.
//
// Refcounts are not looked at: they say nothing of what the disk holds.
type Reader struct {
	file     io.ReaderAt
	fileSize int64
	head     header
	packing  Compression
	l1       []uint64
	tables   []int64 // offsets of the L2 tables, ascending

	mu        sync.Mutex
	cache     []table   // the L2 tables used last, the latest first
	unpackers sync.Pool // of *decompressor
}

// table is an L2 table in memory.
type table struct {
	index   int // in the L1 table
	entries []uint64
}

// cachedTables is enough for several goroutines that read near each other.
const cachedTables = 8

// NewReader reads the header of the image in f, which has size bytes, and the
// table that leads to all others.
func NewReader(f io.ReaderAt, size int64) (*Reader, error) {
	r := &Reader{file: f, fileSize: size}
	if err := r.readHeader(); err != nil {
		return nil, fmt.Errorf("reading the qcow2 header: %w", err)
	}
	if err := r.readL1(); err != nil {
		return nil, fmt.Errorf("reading the qcow2 L1 table: %w", err)
	}
	return r, nil
}

func (r *Reader) readL1() error {
	h := &r.head
	r.l1 = make([]uint64, h.L1Size)
	raw := make([]byte, 8*len(r.l1))
	if _, err := r.file.ReadAt(raw, int64(h.L1TableOffset)); err != nil && len(raw) > 0 {
		return err
	}
	for i := range r.l1 {
		entry := binary.BigEndian.Uint64(raw[8*i:])
		if r.l1[i] = entry & offsetMask; r.l1[i] == 0 {
			continue
		}
		if err := r.checkCluster(int64(r.l1[i]), r.cluster()); err != nil {
			return fmt.Errorf("entry %d, an L2 table: %w", i, err)
		}
		r.tables = append(r.tables, int64(r.l1[i]))
	}
	slices.Sort(r.tables)
	for i := 1; i < len(r.tables); i++ {
		if r.tables[i] == r.tables[i-1] {
			return fmt.Errorf("two entries have the same L2 table at byte %d", r.tables[i])
		}
	}
	return nil
}

func (r *Reader) cluster() int64 { return 1 << r.head.ClusterBits }

// checkCluster refuses a cluster of which n bytes are not in the file, or that
// is also something else.
func (r *Reader) checkCluster(off, n int64) error {
	h := &r.head
	switch {
	case off&(r.cluster()-1) != 0:
		return fmt.Errorf("byte %d is not a cluster's start", off)
	case off > r.fileSize-n:
		return fmt.Errorf("the file ends at byte %d, before the cluster at byte %d does: it is truncated", r.fileSize, off)
	case off == 0:
		return errors.New("it lies in the header")
	case off < int64(h.L1TableOffset)+8*int64(len(r.l1)) && off+r.cluster() > int64(h.L1TableOffset):
		return fmt.Errorf("the cluster at byte %d overlaps with the L1 table", off)
	}
	return nil
}

// Size is the disk's, in bytes.
func (r *Reader) Size() int64 { return int64(r.head.Size) }

// ClusterSize is the size of the image's clusters, in bytes.
func (r *Reader) ClusterSize() int64 { return r.cluster() }

// Compression is how the image's compressed clusters are packed.
func (r *Reader) Compression() Compression { return r.packing }

// table returns the L2 table of an entry of the L1 table, nil for one that does not exist.
func (r *Reader) table(index int) ([]uint64, error) {
	if r.l1[index] == 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, t := range r.cache {
		if t.index == index {
			copy(r.cache[1:i+1], r.cache[:i])
			r.cache[0] = t
			return t.entries, nil
		}
	}
	raw := make([]byte, r.cluster())
	if _, err := r.file.ReadAt(raw, int64(r.l1[index])); err != nil {
		return nil, fmt.Errorf("reading the qcow2 L2 table at byte %d: %w", r.l1[index], err)
	}
	t := table{index, make([]uint64, len(raw)/8)}
	for i := range t.entries {
		t.entries[i] = binary.BigEndian.Uint64(raw[8*i:])
	}
	if len(r.cache) < cachedTables {
		r.cache = append(r.cache, table{})
	}
	copy(r.cache[1:], r.cache)
	r.cache[0] = t
	return t.entries, nil
}

// entry returns what the L2 tables say of the disk's cluster i.
func (r *Reader) entry(i int64) (uint64, error) {
	perTable := r.cluster() / 8
	t, err := r.table(int(i / perTable))
	if t == nil || err != nil {
		return 0, err
	}
	return t[i%perTable], nil
}

// isZero reports whether an L2 entry's cluster reads as zeros without looking at it.
func (r *Reader) isZero(entry uint64) bool {
	if entry&compressed != 0 {
		return false
	}
	return entry&offsetMask == 0 || entry&zeroFlag != 0 && r.head.Version >= 3
}

// Extent returns the first run of clusters at or after off that hold data, or
// start == end == Size() if there is none.
func (r *Reader) Extent(off int64) (start, end int64, err error) {
	return r.units().Extent(off, r.find)
}

// find returns the first byte at or after off whose cluster reads as zeros or
// does not, or Size() if there is none.
func (r *Reader) find(off int64, zero bool) (int64, error) {
	perTable := r.cluster() / 8
	for i := off >> r.head.ClusterBits; i<<r.head.ClusterBits < r.Size(); {
		t, err := r.table(int(i / perTable))
		if err != nil {
			return 0, err
		}
		if t == nil {
			if zero {
				return max(off, i<<r.head.ClusterBits), nil
			}
			i = (i/perTable + 1) * perTable
			continue
		}
		for ; i<<r.head.ClusterBits < r.Size(); i++ {
			if r.isZero(t[i%perTable]) == zero {
				return max(off, i<<r.head.ClusterBits), nil
			}
			if i%perTable == perTable-1 {
				i++
				break
			}
		}
	}
	return r.Size(), nil
}

// ReadAt reads the disk.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) { return r.units().ReadAt(p, off) }

func (r *Reader) units() block.Units {
	return block.Units{Name: "qcow2 cluster", Disk: r.Size(), Size: r.cluster(), Read: r.readCluster}
}

// readCluster reads the part of the disk's cluster i that begins at from.
func (r *Reader) readCluster(p []byte, i, from int64) error {
	entry, err := r.entry(i)
	switch {
	case err != nil:
		return err
	case entry&compressed != 0:
		return r.readCompressed(p, entry, from)
	case r.isZero(entry):
		clear(p)
		return nil
	}
	at := int64(entry & offsetMask)
	// The last cluster of a disk may be cut off where the disk ends.
	if err := r.checkCluster(at, min(r.cluster(), r.Size()-i<<r.head.ClusterBits)); err != nil {
		return err
	}
	if _, found := slices.BinarySearch(r.tables, at); found {
		return fmt.Errorf("the cluster at byte %d is an L2 table", at)
	}
	_, err = r.file.ReadAt(p, at+from)
	return err
}
