package vhd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/hint"
)

// A Reader is the disk in a dynamic VHD. It may be read by several goroutines.
type Reader struct {
	file      io.ReaderAt
	fileSize  int64
	size      int64
	blockSize int64    // bytes
	table     []uint32 // where the blocks are, sectors

	mu     sync.Mutex
	last   int64  // the block whose bitmap was read last, -1 before the first
	bitmap []byte // of that block: a bit for each sector that was written
}

const differencingDisk = 4

// NewReader reads the headers of the VHD in f, which has size bytes, and the
// table of its blocks.
func NewReader(f io.ReaderAt, size int64) (*Reader, error) {
	r := &Reader{file: f, fileSize: size, last: -1}
	at, err := r.readFooter()
	if err != nil {
		return nil, fmt.Errorf("reading the VHD footer: %w", err)
	}
	if err := r.readTable(at); err != nil {
		return nil, fmt.Errorf("reading the VHD header: %w", err)
	}
	return r, nil
}

// readFooter reads the copy of the footer that the file begins with, and
// returns where the dynamic header is.
func (r *Reader) readFooter() (at uint64, err error) {
	raw, err := r.read(0, FooterSize)
	if err != nil {
		return 0, err
	}
	var f footer
	if _, err := binary.Decode(raw, binary.BigEndian, &f); err != nil {
		return 0, err
	}
	sum := f.Checksum
	f.Checksum = 0
	switch {
	case string(f.Cookie[:]) != "conectix" || sum != checksum(encode(f)):
		return 0, errors.New("it is damaged: its checksum is wrong")
	case f.DiskType == differencingDisk:
		return 0, hint.Wrap(errors.New("the image has a parent, without which it is not complete"), "merge it with its parent first, as with Merge-VHD")
	case f.DiskType != dynamicDisk:
		return 0, fmt.Errorf("type %d at the start of a file is not known", f.DiskType)
	case f.CurrentSize == 0 || f.CurrentSize > maxSize:
		return 0, fmt.Errorf("a disk of %d bytes is not possible", f.CurrentSize)
	}
	r.size = int64(f.CurrentSize)
	return f.DataOffset, nil
}

// readTable reads the dynamic header at byte at, and the table it points to.
func (r *Reader) readTable(at uint64) error {
	raw, err := r.read(at, binary.Size(dynamicHeader{}))
	if err != nil {
		return err
	}
	var h dynamicHeader
	if _, err := binary.Decode(raw, binary.BigEndian, &h); err != nil {
		return err
	}
	// What the blank field holds counts for the checksum.
	sum := h.Checksum
	binary.BigEndian.PutUint32(raw[36:], 0)
	blockSize := int64(h.BlockSize)
	switch {
	case string(h.Cookie[:]) != "cxsparse" || sum != checksum(raw):
		return errors.New("it is damaged: its checksum is wrong")
	case bits.OnesCount32(h.BlockSize) != 1 || blockSize < minBlock || blockSize > maxBlock:
		return fmt.Errorf("blocks of %d bytes are not possible", blockSize)
	}
	n := (r.size + blockSize - 1) / blockSize
	if n > int64(h.MaxEntries) {
		return fmt.Errorf("a table of %d blocks is too small for a disk of %d", h.MaxEntries, n)
	}
	if raw, err = r.read(h.TableOffset, int(4*n)); err != nil {
		return fmt.Errorf("the table of blocks: %w", err)
	}
	r.blockSize, r.table = blockSize, make([]uint32, n)
	for i := range r.table {
		r.table[i] = binary.BigEndian.Uint32(raw[4*i:])
	}
	return nil
}

// The sizes of blocks that other programs make are 512 KiB and 2 MiB.
const (
	minBlock = 256 << 10 // bytes; keeps the largest table to 32 MiB
	maxBlock = 64 << 20
)

// read returns n bytes of the file.
func (r *Reader) read(at uint64, n int) ([]byte, error) {
	if at > uint64(r.fileSize) || int64(n) > r.fileSize-int64(at) {
		return nil, fmt.Errorf("the file ends at byte %d: it is truncated", r.fileSize)
	}
	data := make([]byte, n)
	_, err := r.file.ReadAt(data, int64(at))
	return data, err
}

// Size is the disk's, in bytes.
func (r *Reader) Size() int64 { return r.size }

// BlockSize is the size of the image's blocks, in bytes.
func (r *Reader) BlockSize() int64 { return r.blockSize }

// Extent returns the first run of blocks at or after off that hold data, or
// start == end == Size() if there is none.
func (r *Reader) Extent(off int64) (start, end int64, err error) {
	return r.units().Extent(off, r.find)
}

// find returns the first byte at or after off whose block is one of zeros or
// is not, or Size() if there is none.
func (r *Reader) find(off int64, zero bool) (int64, error) {
	for i := off / r.blockSize; i < int64(len(r.table)); i++ {
		if (r.table[i] == unused) == zero {
			return min(max(off, i*r.blockSize), r.size), nil
		}
	}
	return r.size, nil
}

// ReadAt reads the disk.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) { return r.units().ReadAt(p, off) }

func (r *Reader) units() block.Units {
	return block.Units{Name: "VHD block", Disk: r.size, Size: r.blockSize, Read: r.readBlock}
}

// readBlock reads the part of block i that begins at byte from.
func (r *Reader) readBlock(p []byte, i, from int64) error {
	if r.table[i] == unused {
		clear(p)
		return nil
	}
	bitmap, err := r.written(i)
	if err != nil {
		return err
	}
	data := uint64(r.table[i])*sector + uint64(len(bitmap))
	if data+uint64(from)+uint64(len(p)) > uint64(r.fileSize) {
		return fmt.Errorf("the file ends at byte %d, before the block at byte %d does: it is truncated", r.fileSize, data)
	}
	if _, err := r.file.ReadAt(p, int64(data)+from); err != nil {
		return err
	}
	// Sectors that were never written are zeros, whatever is there.
	for s := from / sector; s*sector < from+int64(len(p)); s++ {
		if bitmap[s/8]&(0x80>>(s%8)) == 0 {
			clear(p[max(0, s*sector-from):min(int64(len(p)), (s+1)*sector-from)])
		}
	}
	return nil
}

// written returns the bitmap of block i, whole sectors.
func (r *Reader) written(i int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == i {
		return r.bitmap, nil
	}
	size := (r.blockSize/sector/8 + sector - 1) / sector * sector
	bitmap, err := r.read(uint64(r.table[i])*sector, int(size))
	if err != nil {
		return nil, fmt.Errorf("its bitmap: %w", err)
	}
	r.last, r.bitmap = i, bitmap
	return bitmap, nil
}
