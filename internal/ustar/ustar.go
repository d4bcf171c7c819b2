// Package ustar makes the parts of tar archives (POSIX.1-1988 ustar) whose
// members are written out of order, because their sizes or digests are known
// only when the disk among them is complete.
package ustar

import (
	"archive/tar"
	"bytes"
	"fmt"
)

// Sector is the unit of an archive, in bytes. A header takes one.
const Sector = 512

// maxName is the longest name, in bytes.
const maxName = 100

// maxSize is the largest member that an octal size of ustar can tell, in bytes.
const maxSize = 1<<33 - 1

// Header returns the header of a member. One larger than 8 GiB gets GNU tar's
// binary size, which all programs that matter read.
func Header(h tar.Header) ([]byte, error) {
	if len(h.Name) > maxName {
		return nil, fmt.Errorf("the name %q is longer than the %d bytes that an archive has for it", h.Name, maxName)
	}
	h.Format = tar.FormatUSTAR
	if h.Size > maxSize {
		h.Format = tar.FormatGNU
	}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&h); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// File returns a member whole: header, data and padding. Nothing in it tells who made it or when.
func File(name string, data []byte) ([]byte, error) {
	h, err := Header(tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))})
	if err != nil {
		return nil, err
	}
	return append(append(h, data...), Pad(int64(len(data)))...), nil
}

// Pad returns the zeros that follow n bytes of a member's data.
func Pad(n int64) []byte { return make([]byte, -n&(Sector-1)) }

// End is what ends an archive.
func End() []byte { return make([]byte, 2*Sector) }
