package qcow2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"github.com/respin-project/respin/internal/block"
)

// DefaultCluster is the usual size of a cluster, in bytes.
const DefaultCluster = 64 << 10

const (
	minCluster = 4 << 10 // of what is written; smaller ones make for huge tables
	maxCluster = 2 << 20
	maxL1      = 32 << 20 / 8 // entries; QEMU refuses larger tables
)

// A File is what an image is written to: from its start to its end, and at
// last once more its header.
type File interface {
	io.Writer
	io.WriterAt
}

// A Writer makes an image. Encode may be called for several pieces of the
// disk at the same time; Append and Zeros then want them in the disk's order.
type Writer struct {
	file        File
	size        int64 // of the disk, bytes, a multiple of 512
	compression Compression
	clusterBits int
	compressors sync.Pool // of *compressor

	end   int64  // of what was written, bytes
	next  int64  // the disk's first cluster that is not in a table yet
	l1    []byte // the L1 table as it will be written
	l2    []byte // the L2 table that is being filled
	empty bool   // whether l2 has no entry yet
	held  []held // clusters that do not compress, to be written together
	refs  refcounts
}

// held is a cluster that waits to be written as it is.
type held struct {
	entry int // in the L2 table
	data  []byte
}

// maxHeld bounds the clusters that are held back, in bytes. Each time they
// are written, half a cluster is lost to alignment on average.
const maxHeld = 4 << 20

// Size is the disk that an image has for one of size bytes: whole sectors.
func Size(size int64) int64 { return (size + 511) &^ 511 }

// CheckCluster refuses what cannot be the size of a cluster, in bytes.
func CheckCluster(n int) error {
	if n < minCluster || n > maxCluster || n&(n-1) != 0 {
		return fmt.Errorf("a cluster of %d bytes is not a power of two from 4 KiB to 2 MiB", n)
	}
	return nil
}

// NewWriter begins an image of a disk of size bytes, which is rounded up to
// whole sectors of 512. cluster is a power of two from 4 KiB to 2 MiB.
func NewWriter(f File, size int64, c Compression, cluster int) (*Writer, error) {
	if err := CheckCluster(cluster); err != nil {
		return nil, err
	}
	w := &Writer{
		file:        f,
		size:        Size(size),
		compression: c,
		clusterBits: bits.TrailingZeros(uint(cluster)),
		l2:          make([]byte, cluster),
		empty:       true,
	}
	w.refs.bits = w.clusterBits
	tables := (w.size + w.l2Covers() - 1) / w.l2Covers()
	if tables > maxL1 {
		return nil, fmt.Errorf("a disk of %d bytes is too large for clusters of %d bytes", size, cluster)
	}
	w.l1 = make([]byte, 8*tables)
	return w, w.write(make([]byte, cluster)) // the header's place
}

func (w *Writer) cluster() int    { return 1 << w.clusterBits }
func (w *Writer) l2Covers() int64 { return int64(w.cluster()) * int64(w.cluster()/8) }

// Blocks is how many blocks a piece has.
func (w *Writer) Blocks() int { return max(1, w.cluster()/block.Size) }

// Encode compresses the clusters of p into p.Out. p.Ends has where each ends;
// one of zeros takes no bytes, and one that does not get smaller is stored.
func (w *Writer) Encode(p *block.Piece) error {
	c, ok := w.compressors.Get().(*compressor)
	if !ok {
		c = newCompressor(w.compression, w.cluster())
	}
	size := w.cluster()
	p.Out, p.Ends = p.Out[:0], p.Ends[:0]
	for off := 0; off < p.Size; off += size {
		start := len(p.Out)
		if data := p.Part(off, min(size, p.Size-off), c.cluster); data != nil {
			if len(data) < size { // the disk's last cluster
				clear(c.cluster[copy(c.cluster, data):])
				data = c.cluster
			}
			p.Out = c.pack(p.Out, data)
			if len(p.Out)-start >= size {
				p.Out = append(p.Out[:start], data...)
			}
		}
		p.Ends = append(p.Ends, len(p.Out))
	}
	p.Release()
	w.compressors.Put(c)
	return nil
}

// Append writes an encoded piece.
func (w *Writer) Append(p *block.Piece) error {
	start := 0
	for _, end := range p.Ends {
		var err error
		switch data := p.Out[start:end]; {
		case len(data) == 0:
			err = w.skip(1)
		case len(data) == w.cluster():
			err = w.hold(data)
		default:
			err = w.pack(data)
		}
		if err != nil {
			return err
		}
		start = end
	}
	return nil
}

// Zeros appends n bytes of zeros. They take no space.
func (w *Writer) Zeros(n int64) error {
	return w.skip((n + int64(w.cluster()) - 1) >> w.clusterBits)
}

// pack writes a compressed cluster right behind what was written last.
func (w *Writer) pack(data []byte) error {
	sectors := (w.end&511 + int64(len(data)) - 1) >> 9 // beyond the first
	entry := compressed | uint64(sectors)<<(62-(w.clusterBits-8)) | uint64(w.end)
	w.refs.add(w.end&^511, (sectors+1)<<9)
	if err := w.write(data); err != nil {
		return err
	}
	w.set(w.entry(), entry)
	return w.skip(1)
}

// hold keeps a cluster that does not compress for later.
func (w *Writer) hold(data []byte) error {
	w.held = append(w.held, held{w.entry(), bytes.Clone(data)})
	w.empty = false
	if len(w.held)<<w.clusterBits >= maxHeld {
		if err := w.writeHeld(); err != nil {
			return err
		}
	}
	return w.skip(1)
}

func (w *Writer) writeHeld() error {
	for _, h := range w.held {
		at, err := w.writeAligned(h.data)
		if err != nil {
			return err
		}
		w.set(h.entry, copied|uint64(at))
	}
	w.held = w.held[:0]
	return nil
}

// entry is the place of the next cluster in its L2 table.
func (w *Writer) entry() int { return int(w.next) & (w.cluster()/8 - 1) }

func (w *Writer) set(i int, entry uint64) {
	binary.BigEndian.PutUint64(w.l2[8*i:], entry)
	w.empty = false
}

// skip goes n clusters on, and writes the L2 table whose end is reached.
func (w *Writer) skip(n int64) error {
	perTable := int64(w.cluster() / 8)
	if w.next&(perTable-1)+n < perTable {
		w.next += n
		return nil
	}
	if err := w.finishTable(); err != nil {
		return err
	}
	w.next += n
	return nil
}

func (w *Writer) finishTable() error {
	if w.empty {
		return nil
	}
	if err := w.writeHeld(); err != nil {
		return err
	}
	at, err := w.writeAligned(w.l2)
	if err != nil {
		return err
	}
	i := w.next / int64(w.cluster()/8)
	binary.BigEndian.PutUint64(w.l1[8*i:], copied|uint64(at))
	clear(w.l2)
	w.empty = true
	return nil
}

// writeAligned writes data from the next cluster on and counts its clusters.
func (w *Writer) writeAligned(data []byte) (at int64, err error) {
	if err := w.align(); err != nil {
		return 0, err
	}
	at = w.end
	w.refs.add(at, int64(len(data)))
	return at, w.write(data)
}

// align fills the cluster that was begun.
func (w *Writer) align() error {
	if rest := -w.end & int64(w.cluster()-1); rest > 0 {
		return w.write(make([]byte, rest))
	}
	return nil
}

func (w *Writer) write(data []byte) error {
	n, err := w.file.Write(data)
	w.end += int64(n)
	return err
}
