package vhd

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/respin-project/respin/internal/block"
)

const (
	blockSize  = 2 << 20                // the usual, bytes
	bitmapSize = blockSize / sector / 8 // one bit a sector, bytes; a whole sector
	headerAt   = sector                 // after the footer's copy
	tableAt    = headerAt + 1024        // after the dynamic header
	unused     = 0xffff_ffff            // in the block table: a block of zeros
)

// dynamicHeader says where the blocks are, big-endian; zeros fill its 1024 bytes.
type dynamicHeader struct {
	Cookie      [8]byte
	DataOffset  uint64
	TableOffset uint64
	Version     uint32
	MaxEntries  uint32 // blocks of the disk
	BlockSize   uint32 // bytes
	Checksum    uint32
	_           [1024 - 40]byte // of a parent, which there is none
}

// A Dynamic is the Writer of a dynamic VHD. Append and Zeros want the disk in order.
type Dynamic struct {
	file  File
	size  int64
	end   int64    // of what was written, bytes
	next  int64    // block
	table []uint32 // where the blocks are, sectors
	id    hash.Hash
}

// NewDynamic begins a VHD of a disk of size bytes, which is rounded up to whole mebibytes.
func NewDynamic(f File, size int64) (*Dynamic, error) {
	w := &Dynamic{file: f, size: Size(size), id: sha256.New()}
	if err := check(size); err != nil {
		return nil, err
	}
	w.table = make([]uint32, (w.size+blockSize-1)/blockSize)
	for i := range w.table {
		w.table[i] = unused
	}
	return w, w.skip(tableAt + w.tableBytes()) // written at the end
}

func (w *Dynamic) tableBytes() int64 { return (int64(4*len(w.table)) + sector - 1) / sector * sector }

// Blocks is how many blocks a piece has.
func (w *Dynamic) Blocks() int { return blockSize / block.Size }

// Encode has nothing to do.
func (w *Dynamic) Encode(*block.Piece) error { return nil }

// Append writes a piece, with holes for the pages of zeros.
func (w *Dynamic) Append(p *block.Piece) error {
	start := w.end
	w.table[w.next] = uint32(start / sector)
	w.id.Write(binary.BigEndian.AppendUint64(nil, uint64(w.next)))
	w.next++
	bitmap := make([]byte, bitmapSize)
	for i := range bitmap {
		bitmap[i] = 0xff
	}
	if err := w.write(bitmap); err != nil {
		return err
	}
	for _, b := range p.Blocks {
		if b == nil {
			if err := w.skip(block.Size); err != nil {
				return err
			}
			continue
		}
		w.id.Write(b.Data)
		for off := 0; off < len(b.Data); {
			n, zero := b.Run(off)
			var err error
			if zero {
				err = w.skip(int64(n))
			} else {
				err = w.write(b.Data[off : off+n])
			}
			if err != nil {
				return err
			}
			off += n
		}
	}
	return w.skip(start + bitmapSize + blockSize - w.end) // the disk may end within the block
}

// Zeros appends n bytes of zeros. They take no space.
func (w *Dynamic) Zeros(n int64) error {
	w.next += (n + blockSize - 1) / blockSize
	return nil
}

func (w *Dynamic) write(data []byte) error {
	n, err := w.file.Write(data)
	w.end += int64(n)
	return err
}

func (w *Dynamic) skip(n int64) error {
	w.end += n
	return w.file.Skip(n)
}

// Close writes the footer, its copy and the tables. It does not close the file.
func (w *Dynamic) Close() error {
	foot := newFooter(w.size, dynamicDisk, headerAt, w.id.Sum(nil))
	if err := w.write(foot); err != nil {
		return err
	}
	h := dynamicHeader{
		DataOffset:  noOffset,
		TableOffset: tableAt,
		Version:     0x00010000,
		MaxEntries:  uint32(len(w.table)),
		BlockSize:   blockSize,
	}
	copy(h.Cookie[:], "cxsparse")
	h.Checksum = checksum(encode(h))
	table := encode(w.table)
	for int64(len(table)) < w.tableBytes() {
		table = append(table, 0xff)
	}
	_, err := w.file.WriteAt(append(append(foot, encode(h)...), table...), 0)
	return err
}
