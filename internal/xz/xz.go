// Package xz reads and writes .xz files, as "The .xz File Format" 1.1.0
// (tukaani.org/xz/xz-file-format.txt) specifies them: one stream of many blocks, each
// compressed on its own with LZMA2 and checked with CRC-64, and the index
// that says where they are.
package xz

import (
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"

	"github.com/respin-project/respin/internal/lzma2"
)

var (
	headerMagic = []byte("\xfd7zXZ\x00")
	footerMagic = []byte("YZ")
	streamFlags = []byte{0, checkCRC64}
	ecma        = crc64.MakeTable(crc64.ECMA)
)

const (
	checkCRC64  = 4
	filterLZMA2 = 0x21

	headerLen = 12 // of a stream's header and of its footer
)

// streamHeader begins a stream.
func streamHeader() []byte {
	return appendCRC(append([]byte{}, headerMagic...), streamFlags)
}

// appendCRC appends data and its CRC-32.
func appendCRC(dst, data []byte) []byte {
	dst = append(dst, data...)
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(data))
}

// streamFooter ends a stream whose index takes n bytes.
func streamFooter(n int) []byte {
	part := binary.LittleEndian.AppendUint32(nil, uint32(n/4-1))
	part = append(part, streamFlags...)
	b := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(part))
	return append(append(b, part...), footerMagic...)
}

// blockHeader is a block's header: it tells the block's sizes, so that the
// blocks of a file can be unpacked in parallel.
func blockHeader(compressed, uncompressed int) []byte {
	b := []byte{0, 0xc0} // both sizes are there, one filter
	b = binary.AppendUvarint(b, uint64(compressed))
	b = binary.AppendUvarint(b, uint64(uncompressed))
	b = append(b, filterLZMA2, 1, lzma2.DictProperty)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	b[0] = byte(len(b) / 4) // in four bytes, with the CRC, less one
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// A record is what an index has of a block, in bytes.
type record struct {
	unpadded     int64 // header, compressed data and check
	uncompressed int64
}

// index is the index of the blocks.
func index(records []record) []byte {
	b := binary.AppendUvarint([]byte{0}, uint64(len(records)))
	for _, r := range records {
		b = binary.AppendUvarint(b, uint64(r.unpadded))
		b = binary.AppendUvarint(b, uint64(r.uncompressed))
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return appendCRC(nil, b)
}
