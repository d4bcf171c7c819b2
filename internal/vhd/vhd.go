// Package vhd writes disks in Microsoft's VHD format, as "Virtual Hard Disk
// Image Format Specification" 1.0 of October 2006 specifies it.
//
// A fixed one is the raw disk with a footer of 512 bytes behind it, which is
// the form that Azure takes: the disk, without the footer, has to be a whole
// number of mebibytes. A dynamic one leaves out what is zero.
package vhd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// FooterSize is what stands behind the disk in a fixed VHD, in bytes.
const FooterSize = sector

const (
	sector    = 512
	alignment = 1 << 20               // Azure wants disks of whole mebibytes
	maxSize   = 2040 << 30            // what a VHD can hold, bytes
	noOffset  = 0xffff_ffff_ffff_ffff // there is nothing to point at

	fixedDisk   = 2
	dynamicDisk = 3
)

// footer ends every VHD, big-endian; zeros fill its sector.
type footer struct {
	Cookie         [8]byte
	Features       uint32
	Version        uint32
	DataOffset     uint64 // of the dynamic header
	Timestamp      uint32 // seconds since 2000; ours is 0, so that bytes repeat
	CreatorApp     [4]byte
	CreatorVersion uint32
	CreatorHost    [4]byte
	OriginalSize   uint64
	CurrentSize    uint64
	Cylinders      uint16
	Heads          uint8
	Sectors        uint8
	DiskType       uint32
	Checksum       uint32
	UniqueID       [16]byte
	SavedState     uint8
	_              [427]byte
}

// Size is the disk that a VHD has for one of size bytes: whole mebibytes.
func Size(size int64) int64 { return (size + alignment - 1) / alignment * alignment }

func check(size int64) error {
	if size > maxSize {
		return fmt.Errorf("a disk of %d bytes is larger than the 2040 GiB that a VHD can hold", size)
	}
	return nil
}

// newFooter returns the footer of a disk of size bytes, whole mebibytes. id
// makes its UUID.
func newFooter(size int64, kind uint32, offset uint64, id []byte) []byte {
	c, h, s := geometry(size / sector)
	f := footer{
		Features:       2, // reserved, always set
		Version:        0x00010000,
		DataOffset:     offset,
		CreatorVersion: 0x000a0000,
		OriginalSize:   uint64(size),
		CurrentSize:    uint64(size),
		Cylinders:      c,
		Heads:          h,
		Sectors:        s,
		DiskType:       kind,
	}
	copy(f.Cookie[:], "conectix")
	// Readers take the size from CurrentSize, and not from the geometry, which
	// is rounded, only if they know the creator: so it is Windows.
	copy(f.CreatorApp[:], "win ")
	copy(f.CreatorHost[:], "Wi2k")
	sum := sha256.Sum256(id)
	copy(f.UniqueID[:], sum[:])
	f.UniqueID[6] = f.UniqueID[6]&0x0f | 0x80 // a UUID of version 8 (RFC 9562)
	f.UniqueID[8] = f.UniqueID[8]&0x3f | 0x80
	f.Checksum = checksum(encode(f))
	return encode(f)
}

// IsFixed reports whether the file of size bytes is a fixed VHD.
func IsFixed(f io.ReaderAt, size int64) bool {
	raw := make([]byte, FooterSize)
	var foot footer
	if size <= FooterSize {
		return false
	}
	if _, err := f.ReadAt(raw, size-FooterSize); err != nil {
		return false
	}
	if _, err := binary.Decode(raw, binary.BigEndian, &foot); err != nil {
		return false
	}
	sum := foot.Checksum
	foot.Checksum = 0
	return string(foot.Cookie[:]) == "conectix" && foot.DiskType == fixedDisk &&
		foot.CurrentSize == uint64(size-FooterSize) && sum == checksum(encode(foot))
}

// geometry is the cylinders, heads and sectors of a disk, as the
// specification's appendix "CHS Calculation" has it.
func geometry(sectors int64) (cylinders uint16, heads, perTrack uint8) {
	sectors = min(sectors, 65535*16*255)
	var s, h, ch int64
	if sectors >= 65535*16*63 {
		s, h = 255, 16
		ch = sectors / s
	} else {
		s = 17
		ch = sectors / s
		h = max((ch+1023)/1024, 4)
		if ch >= h*1024 || h > 16 {
			s, h = 31, 16
			ch = sectors / s
		}
		if ch >= h*1024 {
			s, h = 63, 16
			ch = sectors / s
		}
	}
	return uint16(ch / h), uint8(h), uint8(s)
}

// checksum is the complement of the sum of all bytes.
func checksum(data []byte) uint32 {
	sum := uint32(0)
	for _, b := range data {
		sum += uint32(b)
	}
	return ^sum
}

func encode(v any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.BigEndian, v); err != nil {
		panic(err) // not a type of fixed size
	}
	return b.Bytes()
}

// Fixed is a fixed VHD around a raw disk.
type Fixed struct{ size int64 }

// NewFixed returns the VHD for a disk of size bytes.
func NewFixed(size int64) (*Fixed, error) { return &Fixed{size}, check(size) }

// Head is how many bytes stand before the disk.
func (f *Fixed) Head() int64 { return 0 }

// File is what a VHD is written to.
type File interface {
	io.Writer
	io.WriterAt
	// Skip leaves a hole of n bytes, which reads as zeros.
	Skip(n int64) error
}

// Finish completes the file after the disk, of which id is a digest.
func (f *Fixed) Finish(to File, id []byte) error {
	size := Size(f.size)
	if _, err := to.Write(make([]byte, size-f.size)); err != nil {
		return err
	}
	_, err := to.Write(newFooter(size, fixedDisk, noOffset, id))
	return err
}
