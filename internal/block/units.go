package block

import (
	"fmt"
	"io"
)

// Units are how an image keeps a disk: clusters, grains or blocks of one size.
type Units struct {
	Name string // of one, for errors
	Disk int64  // the disk's size, bytes
	Size int64  // of a unit, bytes
	// Read reads the part of unit i that begins at its byte from.
	Read func(p []byte, i, from int64) error
}

// ReadAt reads the disk from byte off on, as [io.ReaderAt] has it.
func (u Units) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) && off < u.Disk {
		i, from := off/u.Size, off%u.Size
		n := int(min(int64(len(p)-done), u.Size-from, u.Disk-off))
		if err := u.Read(p[done:done+n], i, from); err != nil {
			return done, fmt.Errorf("reading the %s of byte %d of the disk: %w", u.Name, i*u.Size, err)
		}
		done += n
		off += int64(n)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// Extent returns the first run of units at or after byte off that hold data, or
// start == end == the disk's size if there is none. find returns the first byte
// at or after one whose unit is of zeros or is not, or the disk's size.
func (u Units) Extent(off int64, find func(off int64, zero bool) (int64, error)) (start, end int64, err error) {
	if start, err = find(off, false); err != nil || start == u.Disk {
		return start, start, err
	}
	end, err = find(start, true)
	return start, end, err
}
