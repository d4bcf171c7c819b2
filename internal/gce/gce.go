// Package gce writes the form in which Google Compute Engine takes a disk:
// a file disk.raw, a whole number of gibibytes, alone in a tar archive of the
// oldgnu format, compressed with gzip ("Manually import boot disks" in its
// documentation).
//
// Blocks of zeros are left out of the archive, as tar's --sparse does it (GNU
// tar's manual, "Old GNU Format").
package gce

import (
	"fmt"
	"io"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/gz"
)

const (
	name      = "disk.raw"
	alignment = 1 << 30
	sector    = 512
	record    = 20 * sector // what tar pads an archive to

	firstEntries = 4  // of the sparse map, in the header
	moreEntries  = 21 // in each sector after it
	entrySize    = 24 // an offset and a length

	// mostExtents are those that fit, with the entry at the end, into what gzip
	// stores in one piece. A disk that has more gets zeros between the last ones.
	mostExtents = firstEntries + (gz.MaxHead/sector-1)*moreEntries - 1
)

// Size is the disk that an archive has for one of size bytes: whole gibibytes.
func Size(size int64) int64 { return (size + alignment - 1) / alignment * alignment }

// An extent is a part of the disk that holds data.
type extent struct{ start, end int64 }

// A File is what a Writer writes to. Skip leaves n bytes out, for WriteAt.
type File interface {
	io.Writer
	io.WriterAt
	Skip(n int64) error
}

// A Writer makes an archive. Encode may be called for several pieces of the
// disk at the same time; Append and Zeros then want them in the disk's order.
type Writer struct {
	*gz.Writer
	file    File
	size    int64    // of the disk, bytes
	most    int      // extents that the room in front has a map for
	extents []extent // so far
	off     int64    // in the disk
	stored  int64    // of the disk's bytes, in the archive
}

// NewWriter begins an archive of a disk of size bytes. Which parts of it hold
// data is known last and told first, so there is room left for that in front.
func NewWriter(f File, size int64) (*Writer, error) {
	return newWriter(f, size, int(min(size/(2*block.Size)+1, mostExtents)))
}

func newWriter(f File, size int64, most int) (*Writer, error) {
	w := &Writer{Writer: gz.NewTail(f), file: f, size: size, most: most}
	return w, f.Skip(w.room())
}

// room is how many bytes in front of the disk there are for the map, however
// many extents it gets.
func (w *Writer) room() int64 {
	more := max(w.most+1-firstEntries, 0)
	return gz.HeadRoom(sector * (1 + (more+moreEntries-1)/moreEntries))
}

// header is the archive member's header with the map of its extents.
func header(extents []extent, size int64) []byte {
	stored := int64(0)
	var entries [][2]int64
	for _, e := range extents {
		entries = append(entries, [2]int64{e.start, e.end - e.start})
		stored += e.end - e.start
	}
	entries = append(entries, [2]int64{size, 0}) // the file ends in a hole, maybe one of no bytes
	h := make([]byte, sector)
	copy(h, name)
	number(h[100:108], 0o644)
	number(h[108:116], 0) // owner and group
	number(h[116:124], 0)
	number(h[124:136], stored)
	number(h[136:148], 0) // when it was changed
	h[156] = 'S'
	copy(h[257:], "ustar  \x00root")
	copy(h[297:], "root")
	number(h[483:495], size)
	rest := sparse(h[386:], entries, firstEntries)
	copy(h[148:], "        ")
	sum := int64(0)
	for _, b := range h {
		sum += int64(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	for len(rest) > 0 {
		more := make([]byte, sector)
		rest = sparse(more, rest, moreEntries)
		h = append(h, more...)
	}
	return h
}

// sparse writes up to n entries of a map to b, whether there are more behind
// them, and returns those.
func sparse(b []byte, entries [][2]int64, n int) (rest [][2]int64) {
	k := min(n, len(entries))
	for i, e := range entries[:k] {
		number(b[i*entrySize:][:12], e[0])
		number(b[i*entrySize+12:][:12], e[1])
	}
	if k < len(entries) {
		b[n*entrySize] = 1
	}
	return entries[k:]
}

// number writes n in octal, or where the field is too small for that in
// binary, as GNU tar does.
func number(field []byte, n int64) {
	if digits := fmt.Sprintf("%0*o", len(field)-1, n); len(digits) < len(field) {
		copy(field, digits)
		return
	}
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] = 0x80
}

// Append writes an encoded piece.
func (w *Writer) Append(p *block.Piece) error {
	w.extend(int64(p.Size))
	return w.Writer.Append(p)
}

// Zeros leaves n bytes of zeros out.
func (w *Writer) Zeros(n int64) error {
	if len(w.extents) == w.most {
		w.extend(n)
		return w.Writer.Zeros(n)
	}
	w.off += n
	return nil
}

// extend notes that the disk's next n bytes are stored.
func (w *Writer) extend(n int64) {
	last := len(w.extents) - 1
	if last < 0 || w.extents[last].end < w.off {
		w.extents = append(w.extents, extent{w.off, w.off})
		last++
	}
	w.off += n
	w.extents[last].end = w.off
	w.stored += n
}

// Close writes the archive's end and its head. It does not close the file.
func (w *Writer) Close() error {
	head := header(w.extents, Size(w.size))
	size := int64(len(head)) + w.stored
	end := size + -size&(sector-1) + 2*sector
	end += (record - end%record) % record
	if _, err := w.Write(make([]byte, end-size)); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(w.Head(head, int(w.room())), 0); err != nil {
		return err
	}
	return w.Writer.Close()
}
