// Package vmdk writes and reads disks in VMware's streamOptimized format, as "VMware
// Virtual Disks: Virtual Disk Format 1.1" specifies it: the form of a VMDK
// that can be written and read from start to end, which OVF packages hold.
//
// The disk is cut into grains of 64 KiB, each deflated on its own. The grain
// tables follow the grains they speak of, and the grain directory comes last.
package vmdk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math"
	"sync"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/deflate"
)

const (
	sector       = 512
	grain        = 128 // sectors
	grainBytes   = grain * sector
	tableEntries = 512 // grains of a table
	overhead     = 128 // sectors before the first grain
	maxSize      = 62 << 40

	descriptorAt      = 1  // sector
	descriptorSectors = 20 // as other writers have it
)

// Markers say what the sectors after them are.
const (
	endOfStream = iota
	tableMarker
	directoryMarker
	footerMarker
)

// header is the SparseExtentHeader, little-endian and packed; zeros fill its sector.
type header struct {
	Magic             [4]byte
	Version           uint32
	Flags             uint32
	Capacity          uint64 // sectors
	GrainSize         uint64 // sectors
	DescriptorOffset  uint64 // sectors
	DescriptorSize    uint64 // sectors
	NumGTEsPerGT      uint32
	RedundantGDOffset uint64 // sectors
	GDOffset          uint64 // sectors
	Overhead          uint64 // sectors
	UncleanShutdown   uint8
	NewLines          [4]byte // to notice a transfer as text
	CompressAlgorithm uint16
	_                 [433]byte
}

// Flags of the header.
const (
	newLineTest  = 1 << 0 // NewLines is valid
	zeroGrains   = 1 << 2 // an entry of 1 in a table is a grain of zeros
	packedGrains = 1 << 16
	hasMarkers   = 1 << 17
)

const (
	algorithm     = 1              // deflate
	directoryLast = math.MaxUint64 // the footer has the grain directory's offset
)

// A Writer makes an image. Encode may be called for several pieces of the
// disk at the same time; Append and Zeros then want them in the disk's order.
type Writer struct {
	file     io.Writer
	head     header
	encoders sync.Pool // of *encoder

	sectors   int64    // written
	next      int64    // grain
	table     []uint32 // where the grains of the present table are, sectors
	directory []uint32 // where the tables are, sectors
}

type encoder struct {
	deflate *deflate.Encoder
	grain   [grainBytes]byte
}

// Size is the disk that an image has for one of size bytes: whole grains.
func Size(size int64) int64 { return (size + grainBytes - 1) / grainBytes * grainBytes }

// NewWriter begins an image of a disk of size bytes, which is rounded up to whole grains.
func NewWriter(f io.Writer, size int64) (*Writer, error) {
	w := &Writer{
		file:  f,
		table: make([]uint32, tableEntries),
		head: header{
			Version:          3,
			Flags:            newLineTest | packedGrains | hasMarkers,
			Capacity:         uint64(Size(size) / sector),
			GrainSize:        grain,
			DescriptorOffset: descriptorAt,
			DescriptorSize:   descriptorSectors,
			NumGTEsPerGT:     tableEntries,
			GDOffset:         directoryLast,
			Overhead:         overhead,
			NewLines:         [4]byte{'\n', ' ', '\r', '\n'},

			CompressAlgorithm: algorithm,
		},
	}
	copy(w.head.Magic[:], "KDMV")
	if size > maxSize {
		return nil, fmt.Errorf("a disk of %d bytes is larger than the 62 TiB that VMware allows", size)
	}
	tables := (w.head.Capacity + grain*tableEntries - 1) / (grain * tableEntries)
	w.directory = make([]uint32, tables)
	start := make([]byte, overhead*sector)
	copy(start, encode(w.head))
	copy(start[descriptorAt*sector:], descriptor(w.head.Capacity))
	return w, w.write(start)
}

// descriptor is the text that describes the disk. It names no file of its
// own, so that the bytes depend on the disk alone.
func descriptor(capacity uint64) string {
	const heads, sectors = 255, 63
	cylinders := min(capacity/(heads*sectors), 65535)
	id := crc32.ChecksumIEEE(binary.LittleEndian.AppendUint64(nil, capacity)) &^ 1 // the largest number means none
	return fmt.Sprintf(`# Disk DescriptorFile
version=1
CID=%08x
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW %d SPARSE "disk.vmdk"

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "10"
ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "%d"
ddb.geometry.heads = "%d"
ddb.geometry.sectors = "%d"
`, id, capacity, cylinders, heads, sectors)
}

func encode(v any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
		panic(err) // not a type of fixed size
	}
	return b.Bytes()
}

// Blocks is how many blocks a piece has.
func (w *Writer) Blocks() int { return 1 }

// Encode compresses the grains of p into p.Out, each with its marker. p.Ends
// has where each ends; one of zeros takes no bytes.
func (w *Writer) Encode(p *block.Piece) error {
	e, ok := w.encoders.Get().(*encoder)
	if !ok {
		e = &encoder{deflate: deflate.New(32 << 10)}
	}
	p.Out, p.Ends = p.Out[:0], p.Ends[:0]
	for off := 0; off < p.Size; off += grainBytes {
		data := p.Part(off, min(grainBytes, p.Size-off), nil)
		if data != nil {
			if len(data) < grainBytes { // the disk's last grain
				clear(e.grain[copy(e.grain[:], data):])
				data = e.grain[:]
			}
			p.Out = e.append(p.Out, uint64(p.Offset+int64(off))/sector, data)
		}
		p.Ends = append(p.Ends, len(p.Out))
	}
	p.Release()
	w.encoders.Put(e)
	return nil
}

// append appends a grain: its marker, a zlib stream (RFC 1950), and zeros to the end of the sector.
func (e *encoder) append(dst []byte, lba uint64, data []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, lba)
	dst = append(dst, 0, 0, 0, 0) // the size comes here
	dst = append(dst, 0x78, 0x9c) // deflate with a window of 32 KiB, the usual level
	dst = e.deflate.Encode(dst, data)
	dst = binary.BigEndian.AppendUint32(dst, adler32.Checksum(data))
	binary.LittleEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-12))
	return append(dst, make([]byte, -(len(dst)-start)&(sector-1))...)
}

// Append writes an encoded piece.
func (w *Writer) Append(p *block.Piece) error {
	start := 0
	for _, end := range p.Ends {
		if end > start {
			if w.sectors > math.MaxUint32 {
				return errors.New("the image gets larger than 2 TiB, which the format cannot address")
			}
			w.table[w.next%tableEntries] = uint32(w.sectors)
			if err := w.write(p.Out[start:end]); err != nil {
				return err
			}
			start = end
		}
		if err := w.skip(1); err != nil {
			return err
		}
	}
	return nil
}

// Zeros appends n bytes of zeros. They take no space.
func (w *Writer) Zeros(n int64) error { return w.skip((n + grainBytes - 1) / grainBytes) }

// skip goes n grains on, and writes the table whose end is reached.
func (w *Writer) skip(n int64) error {
	if w.next%tableEntries+n >= tableEntries {
		if err := w.finishTable(); err != nil {
			return err
		}
	}
	w.next += n
	return nil
}

func (w *Writer) finishTable() error {
	empty := true
	for _, at := range w.table {
		empty = empty && at == 0
	}
	if empty {
		return nil
	}
	at, err := w.marked(tableMarker, encode(w.table))
	w.directory[w.next/tableEntries] = uint32(at)
	clear(w.table)
	return err
}

// marked writes a marker and whole sectors of data after it, and returns the first of these.
func (w *Writer) marked(kind uint32, data []byte) (at int64, err error) {
	data = append(data, make([]byte, -len(data)&(sector-1))...)
	marker := binary.LittleEndian.AppendUint64(nil, uint64(len(data)/sector))
	marker = binary.LittleEndian.AppendUint64(marker, uint64(kind)<<32) // after a size of 0
	marker = append(marker, make([]byte, sector-len(marker))...)
	if err := w.write(marker); err != nil {
		return 0, err
	}
	at = w.sectors
	if at > math.MaxUint32 {
		return 0, errors.New("the image gets larger than 2 TiB, which the format cannot address")
	}
	return at, w.write(data)
}

func (w *Writer) write(data []byte) error {
	n, err := w.file.Write(data)
	w.sectors += int64(n / sector)
	return err
}

// Close writes the last tables. It does not close the file.
func (w *Writer) Close() error {
	if err := w.finishTable(); err != nil {
		return err
	}
	at, err := w.marked(directoryMarker, encode(w.directory))
	if err != nil {
		return err
	}
	footer := w.head
	footer.GDOffset = uint64(at)
	if _, err := w.marked(footerMarker, encode(footer)); err != nil {
		return err
	}
	return w.write(make([]byte, sector)) // the end of stream marker
}
