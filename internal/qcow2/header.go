// Package qcow2 reads and writes QEMU's disk format, as docs/interop/qcow2.txt
// in QEMU's sources specifies it.
//
// A Writer makes version 3 images of compressed clusters, without refcount
// surprises: every cluster of the file is in use, in the order it was
// written, and the tables that say so come last. A Reader takes versions 2
// and 3 and trusts nothing that the file says.
package qcow2

import "fmt"

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
