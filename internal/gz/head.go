package gz

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/respin-project/respin/internal/block"
)

// MaxHead is the longest head that there can be, in bytes: what DEFLATE stores
// in one block.
const MaxHead = 1<<16 - 1

// Blocks that say nothing, with which a head is filled up: an empty stored one,
// and the same with an empty one of fixed codes in front.
var (
	fiveBytes = []byte{0, 0, 0, 0xff, 0xff}
	sixBytes  = []byte{2, 0, 0, 0, 0xff, 0xff}
)

// HeadRoom returns the room to leave for a head of at most n bytes, in bytes.
func HeadRoom(n int) int64 {
	return int64(len(header) + len(fiveBytes) + n + 4*len(sixBytes))
}

// NewTail begins a file behind the room for its head, which is known only when
// everything else is written.
func NewTail(f io.Writer) *Writer { return &Writer{file: f, zeros: block.ZeroPieces{}} }

// Head returns what belongs into the room in front: the file's header and p, of
// at most MaxHead bytes, not compressed. It is called once, just before Close.
func (w *Writer) Head(p []byte, room int) []byte {
	w.sum = combine(crc32.ChecksumIEEE(p), w.sum, w.size)
	w.size += int64(len(p))
	b := append(bytes.Clone(header), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p)))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(len(p)))
	b = append(b, p...)
	for (room-len(b))%len(fiveBytes) != 0 {
		b = append(b, sixBytes...)
	}
	return append(b, bytes.Repeat(fiveBytes, (room-len(b))/len(fiveBytes))...)
}
