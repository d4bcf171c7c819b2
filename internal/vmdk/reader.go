package vmdk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/hint"
)

// A Reader is the disk in an image of one file: streamOptimized, or
// monolithicSparse, whose grains are not packed. It may be read by several
// goroutines.
type Reader struct {
	file      io.ReaderAt
	fileSize  int64
	head      header
	directory []uint32 // where the tables are, sectors

	mu     sync.Mutex
	last   int64    // the table read last, -1 before the first
	grains []uint32 // of that table: where they are, sectors

	unpackers sync.Pool // of *unpacker
}

// An unpacker inflates one grain after another with the same memory.
type unpacker struct {
	packed  []byte
	src     bytes.Reader
	inflate io.ReadCloser
	grain   []byte
}

const (
	markerSize   = 12      // of a grain's, bytes
	maxGrain     = 2 << 20 // bytes
	maxDirectory = 1 << 21 // entries: 62 TiB in grains of 64 KiB
)

// NewReader reads the header of the image in f, which has size bytes, and the
// grain directory.
func NewReader(f io.ReaderAt, size int64) (*Reader, error) {
	r := &Reader{file: f, fileSize: size, last: -1}
	if err := r.readHeader(); err != nil {
		return nil, fmt.Errorf("reading the VMDK header: %w", err)
	}
	if err := r.readDescriptor(); err != nil {
		return nil, fmt.Errorf("reading the VMDK descriptor: %w", err)
	}
	if err := r.readDirectory(); err != nil {
		return nil, fmt.Errorf("reading the VMDK grain directory: %w", err)
	}
	return r, nil
}

func (r *Reader) readHeader() error {
	if err := r.decode(0); err != nil {
		return err
	}
	if r.head.GDOffset == directoryLast {
		// The footer stands before the end of stream marker.
		if err := r.decode(r.fileSize - 2*sector); err != nil {
			return fmt.Errorf("its footer: %w", err)
		}
	}
	h := &r.head
	switch {
	case h.Version < 1 || h.Version > 3:
		return fmt.Errorf("version %d is not known", h.Version)
	case h.Flags&packedGrains != 0 && (h.CompressAlgorithm != algorithm || h.Flags&hasMarkers == 0):
		return fmt.Errorf("compression %d with flags %#x is not known", h.CompressAlgorithm, h.Flags)
	case h.GrainSize < 8 || h.GrainSize > maxGrain/sector || h.GrainSize&(h.GrainSize-1) != 0:
		return fmt.Errorf("grains of %d sectors are not possible", h.GrainSize)
	case h.NumGTEsPerGT != tableEntries:
		return fmt.Errorf("tables of %d grains are not possible", h.NumGTEsPerGT)
	case h.Capacity == 0 || h.Capacity > maxSize/sector:
		return fmt.Errorf("a disk of %d sectors is not possible", h.Capacity)
	}
	return nil
}

// decode reads the header at byte off.
func (r *Reader) decode(off int64) error {
	raw := make([]byte, sector)
	if off < 0 || off > r.fileSize-sector {
		return r.truncated()
	}
	if _, err := r.file.ReadAt(raw, off); err != nil {
		return err
	}
	if _, err := binary.Decode(raw, binary.LittleEndian, &r.head); err != nil {
		return err
	}
	if string(r.head.Magic[:]) != "KDMV" {
		return fmt.Errorf("there is none at byte %d: the file is truncated or damaged", off)
	}
	return nil
}

func (r *Reader) truncated() error {
	return fmt.Errorf("the file ends at byte %d: it is truncated", r.fileSize)
}

// readDescriptor refuses images that are not complete without other files.
func (r *Reader) readDescriptor() error {
	h := &r.head
	part := hint.Wrap(errors.New("it is part of a disk that lies in several files"), "qemu-img convert -O raw disk.vmdk whole.raw, with the file that describes it, makes a raw disk")
	if h.DescriptorOffset == 0 {
		return part
	}
	if h.DescriptorSize > 1<<10 || h.DescriptorOffset > uint64(r.fileSize/sector) {
		return fmt.Errorf("%d sectors at sector %d are not possible", h.DescriptorSize, h.DescriptorOffset)
	}
	text := make([]byte, h.DescriptorSize*sector)
	if n, err := r.file.ReadAt(text, int64(h.DescriptorOffset)*sector); err == io.EOF {
		text = text[:n]
	} else if err != nil {
		return err
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.TrimSpace(key) {
		case "parentCID":
			if !strings.EqualFold(value, "ffffffff") {
				return hint.Wrap(errors.New("the image has a parent, without which it is not complete"), "qemu-img convert -O raw, beside its parent, makes a raw disk of it")
			}
		case "createType":
			if value != "streamOptimized" && value != "monolithicSparse" {
				return part
			}
		}
	}
	return nil
}

func (r *Reader) readDirectory() error {
	perTable := r.head.GrainSize * tableEntries
	n := (r.head.Capacity + perTable - 1) / perTable
	switch {
	case n > maxDirectory:
		return fmt.Errorf("%d tables are not possible", n)
	case r.head.GDOffset == 0 || r.head.GDOffset > uint64(r.fileSize/sector) || int64(r.head.GDOffset*sector) > r.fileSize-4*int64(n):
		return r.truncated()
	}
	r.directory = make([]uint32, n)
	return r.readEntries(r.directory, int64(r.head.GDOffset))
}

// readEntries reads numbers of sectors from sector at on.
func (r *Reader) readEntries(to []uint32, at int64) error {
	raw := make([]byte, 4*len(to))
	if at*sector > r.fileSize-int64(len(raw)) {
		return r.truncated()
	}
	if _, err := r.file.ReadAt(raw, at*sector); err != nil {
		return err
	}
	for i := range to {
		to[i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return nil
}

func (r *Reader) grain() int64 { return int64(r.head.GrainSize) * sector }

// Size is the disk's, in bytes.
func (r *Reader) Size() int64 { return int64(r.head.Capacity) * sector }

// GrainSize is the size of the image's grains, in bytes.
func (r *Reader) GrainSize() int64 { return r.grain() }

// Packed reports whether the grains are compressed.
func (r *Reader) Packed() bool { return r.head.Flags&packedGrains != 0 }

// entry returns where grain i is, in sectors; 0 is a grain of zeros.
func (r *Reader) entry(i int64) (uint32, error) {
	table := i / tableEntries
	if r.directory[table] == 0 {
		return 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != table {
		r.last = -1
		if r.grains == nil {
			r.grains = make([]uint32, tableEntries)
		}
		if err := r.readEntries(r.grains, int64(r.directory[table])); err != nil {
			return 0, fmt.Errorf("reading the VMDK grain table at sector %d: %w", r.directory[table], err)
		}
		r.last = table
	}
	at := r.grains[i%tableEntries]
	if at == 1 && r.head.Flags&zeroGrains != 0 {
		at = 0
	}
	return at, nil
}

// Extent returns the first run of grains at or after off that hold data, or
// start == end == Size() if there is none.
func (r *Reader) Extent(off int64) (start, end int64, err error) {
	return r.units().Extent(off, r.find)
}

// find returns the first byte at or after off whose grain is one of zeros or
// is not, or Size() if there is none.
func (r *Reader) find(off int64, zero bool) (int64, error) {
	for i := off / r.grain(); i*r.grain() < r.Size(); i++ {
		if !zero && r.directory[i/tableEntries] == 0 {
			i += tableEntries - 1 - i%tableEntries
			continue
		}
		at, err := r.entry(i)
		if err != nil {
			return 0, err
		}
		if (at == 0) == zero {
			return max(off, i*r.grain()), nil
		}
	}
	return r.Size(), nil
}

// ReadAt reads the disk.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) { return r.units().ReadAt(p, off) }

func (r *Reader) units() block.Units {
	return block.Units{Name: "VMDK grain", Disk: r.Size(), Size: r.grain(), Read: r.readGrain}
}

// readGrain reads the part of grain i that begins at byte from.
func (r *Reader) readGrain(p []byte, i, from int64) error {
	sectors, err := r.entry(i)
	if err != nil {
		return err
	}
	at := int64(sectors) * sector
	switch {
	case sectors == 0:
		clear(p)
		return nil
	case r.Packed():
		return r.readPacked(p, i, at, from)
	case at > r.fileSize-from-int64(len(p)):
		return r.truncated()
	}
	_, err = r.file.ReadAt(p, at+from)
	return err
}

// readPacked reads a part of the compressed grain i, whose marker is at byte at.
func (r *Reader) readPacked(p []byte, i, at, from int64) error {
	var marker [markerSize]byte
	if at > r.fileSize-markerSize {
		return r.truncated()
	}
	if _, err := r.file.ReadAt(marker[:], at); err != nil {
		return err
	}
	if lba := binary.LittleEndian.Uint64(marker[:]); lba != uint64(i)*r.head.GrainSize {
		return fmt.Errorf("the grain at byte %d is of sector %d of the disk", at, lba)
	}
	n := int64(binary.LittleEndian.Uint32(marker[8:]))
	switch {
	case n == 0 || n > 2*r.grain(): // what cannot be packed gets a little larger
		return fmt.Errorf("the grain at byte %d is said to have %d bytes", at, n)
	case n > r.fileSize-at-markerSize:
		return r.truncated()
	}
	u, ok := r.unpackers.Get().(*unpacker)
	if !ok {
		u = &unpacker{grain: make([]byte, r.grain())}
	}
	defer r.unpackers.Put(u)
	if int64(cap(u.packed)) < n {
		u.packed = make([]byte, n)
	}
	u.packed = u.packed[:n]
	if _, err := r.file.ReadAt(u.packed, at+markerSize); err != nil {
		return err
	}
	// The disk's last grain may be packed without what lies behind the disk.
	least := min(r.grain(), r.Size()-i*r.grain())
	if err := u.unpack(least); err != nil {
		return fmt.Errorf("unpacking %d bytes at byte %d: %w", n, at+markerSize, err)
	}
	copy(p, u.grain[from:])
	return nil
}

// unpack inflates u.packed, which must give at least so many bytes, to u.grain.
func (u *unpacker) unpack(least int64) error {
	u.src.Reset(u.packed)
	var err error
	if u.inflate == nil {
		u.inflate, err = zlib.NewReader(&u.src)
	} else {
		err = u.inflate.(zlib.Resetter).Reset(&u.src, nil)
	}
	if err != nil {
		return err
	}
	n := 0
	for n < len(u.grain) && err == nil {
		var k int
		k, err = u.inflate.Read(u.grain[n:])
		n += k
	}
	if err == nil { // the end, where the checksum is looked at, comes after the data
		var next [1]byte
		k, end := u.inflate.Read(next[:])
		if err = end; k > 0 {
			return fmt.Errorf("the compressed data expand to more than %d bytes", len(u.grain))
		}
	}
	switch {
	case err != io.EOF:
		return err
	case int64(n) < least:
		return fmt.Errorf("the compressed data end after %d of %d bytes", n, least)
	}
	clear(u.grain[n:])
	return nil
}
