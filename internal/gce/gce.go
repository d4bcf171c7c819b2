// Package gce writes the form in which Google Compute Engine takes a disk:
// a file disk.raw, a whole number of gibibytes, alone in a tar archive of the
// oldgnu format, compressed with gzip ("Manually import boot disks" in its
// documentation).
//
// What the source of the disk knows to be holes is left out of the archive,
// as tar's --sparse does it (GNU tar's manual, "Old GNU Format").
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
)

// Size is the disk that an archive has for one of size bytes: whole gibibytes.
func Size(size int64) int64 { return (size + alignment - 1) / alignment * alignment }

// An Extent is a part of the disk that holds data.
type Extent struct{ Start, End int64 }

// A Writer makes an archive. Encode may be called for several pieces of the
// disk at the same time; Append and Zeros then want them in the disk's order.
type Writer struct {
	*gz.Writer
	extents []Extent // those not passed yet
	off     int64    // in the disk
	head    int64    // bytes of the archive before the disk
	stored  int64    // of the disk's bytes, in the archive
}

// NewWriter begins an archive of a disk of size bytes, whose data lie in
// extents, in ascending order.
func NewWriter(f io.Writer, size int64, extents []Extent) (*Writer, error) {
	out, err := gz.NewWriter(f)
	if err != nil {
		return nil, err
	}
	w := &Writer{Writer: out, extents: merge(extents, size)}
	head := header(w.extents, Size(size))
	w.head = int64(len(head))
	_, err = out.Write(head)
	return w, err
}

// merge widens the extents to whole blocks and puts together those that touch.
func merge(extents []Extent, size int64) []Extent {
	var merged []Extent
	for _, e := range extents {
		e.Start &^= block.Size - 1
		e.End = min((e.End+block.Size-1)&^(block.Size-1), size)
		if last := len(merged) - 1; last >= 0 && e.Start <= merged[last].End {
			merged[last].End = max(e.End, merged[last].End)
		} else if e.Start < e.End {
			merged = append(merged, e)
		}
	}
	return merged
}

// header is the archive member's header with the map of its extents.
func header(extents []Extent, size int64) []byte {
	stored := int64(0)
	var entries [][2]int64
	for _, e := range extents {
		entries = append(entries, [2]int64{e.Start, e.End - e.Start})
		stored += e.End - e.Start
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
	w.pass(w.off)
	if len(w.extents) == 0 || w.off < w.extents[0].Start {
		return fmt.Errorf("the disk has data at byte %d, where a hole was: it was changed while it was read", w.off)
	}
	w.off += int64(p.Size)
	w.stored += int64(p.Size)
	return w.Writer.Append(p)
}

// Zeros appends n bytes of zeros. Those in holes take no space.
func (w *Writer) Zeros(n int64) error {
	for end := w.off + n; w.off < end; {
		w.pass(w.off)
		part := end
		if len(w.extents) > 0 && w.extents[0].Start <= w.off {
			part = min(w.extents[0].End, end)
			w.stored += part - w.off
			if err := w.Writer.Zeros(part - w.off); err != nil {
				return err
			}
		} else if len(w.extents) > 0 {
			part = min(w.extents[0].Start, end)
		}
		w.off = part
	}
	return nil
}

// pass drops the extents that end at or before off.
func (w *Writer) pass(off int64) {
	for len(w.extents) > 0 && w.extents[0].End <= off {
		w.extents = w.extents[1:]
	}
}

// Close writes the archive's end. It does not close the file.
func (w *Writer) Close() error {
	size := w.head + w.stored
	end := size + -size&(sector-1) + 2*sector
	end += (record - end%record) % record
	if _, err := w.Write(make([]byte, end-size)); err != nil {
		return err
	}
	return w.Writer.Close()
}
