package zstdframe

import (
	"encoding/binary"
	"math/bits"
)

const (
	minMatch  = 4
	tableBits = 13 // so that the table stays in the nearest cache

	// lastStart is how far before the end no match is looked for any more: as
	// far as a hash reads.
	lastStart = 8
)

// A sequence is a run of literals and the match after it.
type sequence struct {
	literals uint32 // bytes
	match    uint32 // bytes, less the three that every match has
	offset   uint32 // as it is sent: 1 to 3 repeat an earlier one, others are larger by 3
}

func hash(v uint64) uint64 { return (v << 24) * 889523592379 >> (64 - tableBits) } // of the low five bytes

func (e *Encoder) load64(i int) uint64 { return binary.LittleEndian.Uint64(e.data[i&(segment-1):][:8]) }
func (e *Encoder) load32(i int) uint32 { return binary.LittleEndian.Uint32(e.data[i&(segment-1):][:4]) }

// parse divides the first n bytes of the segment into sequences and literals.
// At each position it takes what was repeated last, if the next position
// begins with it, or else the last place that began with the same five bytes.
// It looks at two positions at a time, as both can then be looked up at once.
func (e *Encoder) parse(n int) {
	clear(e.table[:])
	e.sequences, e.literals = e.sequences[:0], e.literals[:0]
	anchor, pos := 0, 1
	end := n - lastStart
	for pos < end {
		here := e.load64(pos)
		next := here >> 8
		from, fromNext := e.swap(here, pos), e.swap(next, pos+1)
		start := pos
		var length int
		if e.repeats[0] <= pos+1 && e.load32(pos+1-e.repeats[0]) == uint32(next) {
			start++
			length = e.extend(start-e.repeats[0]+4, start+4, n) + 4
			e.add(anchor, start, length, 1)
		} else {
			if from == 0 || e.load32(from) != uint32(here) {
				if fromNext == 0 || e.load32(fromNext) != uint32(next) {
					pos += 2 + (pos-anchor)>>6 // ever faster through what does not compress
					continue
				}
				start, from = pos+1, fromNext
			}
			length = e.extend(from+4, start+4, n) + 4
			for start > anchor && from > 0 && e.data[start-1] == e.data[from-1] {
				start--
				from--
				length++
			}
			e.repeats[0], e.repeats[1] = start-from, e.repeats[0]
			e.add(anchor, start, length, uint32(start-from)+3)
		}
		pos = start + length
		if pos < end {
			e.swap(e.load64(start+2), start+2)
			e.swap(e.load64(pos-2), pos-2)
			pos = e.again(pos, end, n)
		}
		anchor = pos
	}
	e.literals = append(e.literals, e.data[anchor:n]...)
}

// swap puts a position that begins with v into the table and returns which one was there.
func (e *Encoder) swap(v uint64, pos int) int {
	entry := &e.table[hash(v)]
	was := *entry
	*entry = uint16(pos)
	return int(was)
}

// again adds the matches at pos with the offset before the last, because what
// was repeated before is often repeated again, and returns where they end.
func (e *Encoder) again(pos, end, n int) int {
	for pos < end && e.repeats[1] <= pos && e.load32(pos-e.repeats[1]) == e.load32(pos) {
		length := e.extend(pos-e.repeats[1]+4, pos+4, n) + 4
		e.repeats[0], e.repeats[1] = e.repeats[1], e.repeats[0]
		e.swap(e.load64(pos), pos)
		e.add(pos, pos, length, 1) // without literals, 1 is the one before the last
		pos += length
	}
	return pos
}

// add adds a sequence of the literals from anchor on and a match at start.
func (e *Encoder) add(anchor, start, length int, offset uint32) {
	if n := start - anchor; n <= 16 { // mostly, and then this is faster than a call
		at := len(e.literals)
		to := e.literals[at : at+16]
		binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(e.data[anchor:]))
		binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(e.data[anchor+8:]))
		e.literals = e.literals[:at+n]
	} else {
		e.literals = append(e.literals, e.data[anchor:start]...)
	}
	e.sequences = append(e.sequences, sequence{uint32(start - anchor), uint32(length - 3), offset})
}

// extend returns how many bytes from a and from b on agree, up to n.
func (e *Encoder) extend(a, b, n int) int {
	start := b
	for b+8 <= n {
		if x := e.load64(a) ^ e.load64(b); x != 0 {
			return b - start + bits.TrailingZeros64(x)/8
		}
		a += 8
		b += 8
	}
	for b < n && e.data[a] == e.data[b] {
		a++
		b++
	}
	return b - start
}
