// Package deflate compresses the clusters and grains of disk images to the
// DEFLATE format of RFC 1951.
//
// These are short, independent of each other, and have to do with a window as
// small as 4 KiB, for which compressors of long streams are not made. This one
// keeps all its tables within the processor's nearest caches, allocates
// nothing while it works, and knows a block's size before it writes it.
package deflate

import "encoding/binary"

const (
	// segment is how much is compressed at a time, in bytes: what a position
	// in 16 bits can address. Matches do not reach beyond it.
	segment = 1 << 16

	minMatch = 3
	maxMatch = 258

	hash4Bits = 13
	hash3Bits = 11
)

// An Encoder compresses. It may be used again and again, by one goroutine at a time.
type Encoder struct {
	window int

	// The segment, with room behind it so that words can be read at its end.
	data [segment + 16]byte

	// Positions in data by the hash of the bytes there: the latest, and for
	// each the one before it with the same hash. 0 is none: what stands at the
	// segment's very start is not found again.
	head4 [1 << hash4Bits]uint16
	head3 [1 << hash3Bits]uint16
	prev4 [segment]uint16

	tokens [segment]token
	count  int // of tokens
	litlen histogram
	dist   histogram

	out writer
}

// New returns an encoder that looks back at most window bytes: 32768, or less
// for what has to be read by a decoder with little memory.
func New(window int) *Encoder { return &Encoder{window: min(window, 32<<10)} }

// A token is a literal, or a match with its distance in the high 16 bits, its
// length in the low 9.
type token uint32

// Encode appends the compressed form of src, a complete stream, to dst.
func (e *Encoder) Encode(dst, src []byte) []byte {
	e.out.begin(dst, len(src))
	for first := true; first || len(src) > 0; first = false {
		n := copy(e.data[:segment], src)
		src = src[n:]
		clear(e.data[n:])
		e.parse(n)
		e.writeBlock(e.data[:n], len(src) == 0)
	}
	return e.out.end()
}

func (e *Encoder) load32(i uint16) uint32 { return binary.LittleEndian.Uint32(e.data[i : int(i)+4]) }
func (e *Encoder) load64(i int) uint64    { return binary.LittleEndian.Uint64(e.data[i : i+8]) }

func hash4(v uint32) uint32 { return v * 0x9E3779B1 >> (32 - hash4Bits) }
func hash3(v uint32) uint32 { return (v << 8) * 0x9E3779B1 >> (32 - hash3Bits) }
