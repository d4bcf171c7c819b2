// Package qcow2 reads and writes QEMU's disk format, as docs/interop/qcow2.txt
// in QEMU's sources specifies it.
//
// A Writer makes version 3 images of compressed clusters, without refcount
// surprises: every cluster of the file is in use, in the order it was
// written, and the tables that say so come last. A Reader takes versions 2
// and 3 and trusts nothing that the file says.
package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/respin-project/respin/internal/hint"
)

const (
	magic      = "QFI\xfb"
	headerSize = 104 // version 3 without extensions, bytes; a compression type makes it 112

	// Flags of the L1 and L2 tables' entries.
	copied     = 1 << 63 // exactly one reference
	compressed = 1 << 62
	zeroFlag   = 1 // the cluster reads as zeros; version 3

	offsetMask = 1<<56 - 1<<9 // of a table or a plain cluster

	// Bits of the incompatible features.
	incompatDirty       = 1 << 0
	incompatCorrupt     = 1 << 1
	incompatDataFile    = 1 << 2
	incompatCompression = 1 << 3
	incompatExtendedL2  = 1 << 4
)

// Compression is how the clusters of an image are compressed.
type Compression uint8

// The numbers are those of the header's field.
const (
	Zlib Compression = 0 // raw deflate with a window of 4 KiB, what every reader knows
	Zstd Compression = 1 // needs QEMU 5.1 or later
)

func (c Compression) String() string {
	switch c {
	case Zlib:
		return "zlib"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("compression type %d", uint8(c))
}

// header is the part of an image's header that version 3 always has. All
// numbers are big-endian, and the fields lie in the file as they stand here.
type header struct {
	Magic                 [4]byte
	Version               uint32
	BackingFileOffset     uint64
	BackingFileSize       uint32
	ClusterBits           uint32
	Size                  uint64 // of the disk, bytes
	CryptMethod           uint32
	L1Size                uint32 // entries
	L1TableOffset         uint64
	RefcountTableOffset   uint64
	RefcountTableClusters uint32
	Snapshots             uint32
	SnapshotsOffset       uint64
	// Version 2 ends here, after 72 bytes.
	Incompatible  uint64
	Compatible    uint64
	Autoclear     uint64
	RefcountOrder uint32
	HeaderLength  uint32
}

// Sizes of a header, bytes.
const (
	version2Size = 72
	maxHeader    = 112 // as far as this package reads it
)

func (r *Reader) readHeader() error {
	raw := make([]byte, maxHeader)
	n, err := r.file.ReadAt(raw, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if n < version2Size {
		return fmt.Errorf("the file ends after %d bytes", n)
	}
	h := &r.head
	if binary.BigEndian.Uint32(raw[4:]) == 2 {
		clear(raw[version2Size:]) // other data may begin here
	}
	if err := binary.Read(bytes.NewReader(raw), binary.BigEndian, h); err != nil {
		return err
	}
	if string(h.Magic[:]) != magic {
		return errors.New("it is no qcow2 image")
	}
	switch h.Version {
	case 2:
		h.RefcountOrder, h.HeaderLength = 4, version2Size
	case 3:
		if n < headerSize {
			return fmt.Errorf("the file ends after %d bytes", n)
		}
		if h.HeaderLength < headerSize {
			return fmt.Errorf("a header of %d bytes is too short", h.HeaderLength)
		}
	default:
		return fmt.Errorf("version %d is not known, only 2 and 3", h.Version)
	}
	if h.HeaderLength > headerSize {
		r.packing = Compression(raw[headerSize])
	}
	if err := r.checkFeatures(); err != nil {
		return err
	}
	return r.checkNumbers()
}

// checkFeatures refuses what the disk cannot be read with.
func (r *Reader) checkFeatures() error {
	h := &r.head
	other := func(format string, args ...any) error {
		return hint.Wrap(fmt.Errorf(format, args...), "qemu-img convert makes an image without it")
	}
	switch {
	case h.BackingFileOffset != 0:
		return other("the image has a backing file, without which it is not complete")
	case h.CryptMethod != 0:
		return other("the image is encrypted")
	case h.Incompatible&incompatDataFile != 0:
		return other("the image has its data in another file")
	case h.Incompatible&incompatExtendedL2 != 0:
		return other("the image has extended L2 entries")
	case h.Incompatible&incompatCorrupt != 0:
		return hint.Wrap(errors.New("the image is marked as corrupt"), "qemu-img check -r all may repair it")
	case h.Incompatible&^(incompatDirty|incompatCompression) != 0:
		return fmt.Errorf("the image has unknown features (%#x)", h.Incompatible)
	case (h.Incompatible&incompatCompression != 0) != (r.packing != Zlib):
		return fmt.Errorf("the image has %v, but does not say so among its features", r.packing)
	case r.packing != Zlib && r.packing != Zstd:
		return fmt.Errorf("%v is not known", r.packing)
	}
	return nil
}

// checkNumbers refuses what no honest writer puts into a header.
func (r *Reader) checkNumbers() error {
	h := &r.head
	if h.ClusterBits < 9 || h.ClusterBits > 21 {
		return fmt.Errorf("clusters of 2^%d bytes are not between 512 bytes and 2 MiB", h.ClusterBits)
	}
	if h.HeaderLength > 1<<h.ClusterBits {
		return fmt.Errorf("a header of %d bytes is longer than a cluster", h.HeaderLength)
	}
	cluster := uint64(1) << h.ClusterBits
	if h.RefcountOrder > 6 {
		return fmt.Errorf("refcounts of 2^%d bits are not possible", h.RefcountOrder)
	}
	if h.RefcountTableOffset%cluster != 0 || h.RefcountTableOffset >= uint64(r.fileSize) {
		return fmt.Errorf("the refcount table at byte %d is not in the file, or not at a cluster's start", h.RefcountTableOffset)
	}
	covers := cluster * (cluster / 8)
	need := h.Size / covers
	if h.Size%covers != 0 {
		need++
	}
	switch {
	case h.L1Size > maxL1:
		return fmt.Errorf("an L1 table of %d entries is too large", h.L1Size)
	case uint64(h.L1Size) < need:
		return fmt.Errorf("an L1 table of %d entries is too small for a disk of %d bytes", h.L1Size, h.Size)
	case h.L1TableOffset%cluster != 0:
		return fmt.Errorf("the L1 table at byte %d does not begin at a cluster's start", h.L1TableOffset)
	case h.L1Size > 0 && (h.L1TableOffset < cluster || h.L1TableOffset > uint64(r.fileSize) || h.L1TableOffset+8*uint64(h.L1Size) > uint64(r.fileSize)):
		return fmt.Errorf("the L1 table at byte %d is not in the file of %d bytes", h.L1TableOffset, r.fileSize)
	}
	h.L1Size = uint32(need) // more is for snapshots
	return nil
}
