package lzma2

import (
	"encoding/binary"
	"math/bits"
)

// A match says that what is at a position was there dist bytes before as well,
// for length bytes.
type match struct {
	dist   uint32
	length int32
}

const (
	bits2, bits3 = 16, 16 // of the tables' sizes
	bits4, bits7 = 18, 20

	ways      = 4 // entries of a bucket
	lookahead = 8 // bytes that are read at once
)

// A bucket has the last positions with the same hash, the latest first. An
// entry is a position plus one and, above positionBits, a tag: further bits of
// the hash, without which most entries would have to be looked up in the data.
type bucket [ways]uint32

const (
	positionBits = 25
	positionMask = 1<<positionBits - 1
)

func (b *bucket) add(entry uint32) {
	b[3], b[2], b[1], b[0] = b[2], b[1], b[0], entry
}

// A finder looks for matches. It knows the last position with the same two and
// the same three bytes, and the last four positions with the same four and the
// same seven. Nearly every look misses the processor's caches; other than in
// the trees and chains of other encoders, none has to wait for the one before.
type finder struct {
	data    []byte
	last2   [1 << bits2]uint32 // positions plus one
	last3   [1 << bits3]uint32
	bucket4 [1 << bits4]bucket
	bucket7 [1 << bits7]bucket

	found   []match
	fetched uint32 // makes the processor fetch what find needs next
}

// reset forgets all positions. There may be at most DictSize bytes of data.
func (f *finder) reset(data []byte) {
	f.data = data
	clear(f.last2[:])
	clear(f.last3[:])
	clear(f.bucket4[:])
	clear(f.bucket7[:])
}

// places are where the finder keeps a position with the bytes v at it, and the
// tags that it has there.
func (f *finder) places(v uint64) (last2, last3 *uint32, b4, b7 *bucket, tag4, tag7 uint32) {
	const prime = 0x9e3779b185ebca87 // 2^64 divided by the golden ratio, nearly
	hash3 := uint32(v << 40 * prime >> 32)
	hash4 := uint32(v << 32 * prime >> 32)
	hash7 := uint32(v << 8 * prime >> 32)
	return &f.last2[uint16(v)], &f.last3[hash3>>(32-bits3)],
		&f.bucket4[hash4>>(32-bits4)], &f.bucket7[hash7>>(32-bits7)],
		hash4 << bits4 &^ positionMask, hash7 << bits7 &^ positionMask
}

// find returns the matches at pos, each longer and farther away than the one
// before, and adds pos to what later matches are found at. The result is good
// until the next call.
func (f *finder) find(pos int) []match {
	f.found = f.found[:0]
	if pos+1+lookahead > len(f.data) {
		return f.found
	}
	_, next3, next4, next7, _, _ := f.places(binary.LittleEndian.Uint64(f.data[pos+1:]))
	f.fetched = *next3 + next4[0] + next7[0]

	last2, last3, b4, b7, tag4, tag7 := f.places(binary.LittleEndian.Uint64(f.data[pos:]))
	now := uint32(pos) + 1
	best := f.try(pos, now-*last2, minLen-1)
	if *last3 != *last2 {
		best = f.try(pos, now-*last3, best)
	}
	for _, was := range b4 {
		if was&^positionMask == tag4 {
			best = f.try(pos, now-was&positionMask, best)
		}
	}
	for _, was := range b7 {
		if was&^positionMask == tag7 {
			best = f.try(pos, now-was&positionMask, best)
		}
	}
	*last2, *last3 = now, now
	b4.add(tag4 | now)
	b7.add(tag7 | now)
	return f.found
}

// try adds the match at the distance, if it is longer than best, and returns
// the length of the longest.
func (f *finder) try(pos int, dist uint32, best int) int {
	was := pos - int(dist)
	if was < 0 || pos+best >= len(f.data) || f.data[was+best] != f.data[pos+best] {
		return best
	}
	length := f.common(was, pos)
	if length <= best {
		return best
	}
	for n := len(f.found); n > 0 && f.found[n-1].dist >= dist; n-- {
		f.found = f.found[:n-1]
	}
	f.found = append(f.found, match{dist, int32(length)})
	return length
}

// skip adds n positions from pos on, but not to what short matches are found
// at: those begin elsewhere.
func (f *finder) skip(pos, n int) {
	for end := min(pos+n, len(f.data)-lookahead+1); pos < end; pos++ {
		now := uint32(pos) + 1
		last2, last3, _, b7, _, tag7 := f.places(binary.LittleEndian.Uint64(f.data[pos:]))
		*last2, *last3 = now, now
		b7.add(tag7 | now)
	}
}

// begins tells whether two bytes are the same at both positions.
func (f *finder) begins(was, pos int) bool {
	return pos+1 < len(f.data) && f.data[was] == f.data[pos] && f.data[was+1] == f.data[pos+1]
}

// common returns how many bytes are the same at both positions, up to maxLen.
func (f *finder) common(was, pos int) int {
	b := f.data[pos:min(pos+maxLen, len(f.data))]
	a := f.data[was:][:len(b)]
	n := 0
	for ; n+8 <= len(b); n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
