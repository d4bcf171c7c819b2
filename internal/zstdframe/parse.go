package zstdframe

import (
	"encoding/binary"
	"math/bits"
)

const (
	minMatch  = 4
	longBits  = 14
	shortBits = 13

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

func hashLong(v uint64) uint64  { return v * 0xcf1bbcdcb7a56463 >> (64 - longBits) }
func hashShort(v uint64) uint64 { return (v << 24) * 889523592379 >> (64 - shortBits) }

func (e *Encoder) load64(i int) uint64 { return binary.LittleEndian.Uint64(e.data[i&(segment-1):][:8]) }
func (e *Encoder) load32(i int) uint32 { return binary.LittleEndian.Uint32(e.data[i&(segment-1):][:4]) }

// parse divides the first n bytes of the segment into sequences and literals.
// At each position it takes the last place that begins with the same eight bytes, or
// else with the same five, unless the next position has eight.
func (e *Encoder) parse(n int) {
	clear(e.long[:])
	clear(e.short[:])
	e.sequences, e.literals = e.sequences[:0], e.literals[:0]
	anchor, pos := 0, 1
	end := n - lastStart
	for pos < end {
		here := e.load64(pos)
		hl, hs := hashLong(here), hashShort(here)
		long, short := int(e.long[hl]), int(e.short[hs])
		e.long[hl], e.short[hs] = uint16(pos), uint16(pos)
		start, length := pos, 0
		var from int
		switch {
		case e.repeats[0] <= pos+1 && e.load32(pos+1-e.repeats[0]) == uint32(here>>8):
			start++
			from = start - e.repeats[0]
			length = e.extend(from+4, start+4, n) + 4
			e.add(anchor, start, length, 1)
			pos = e.passed(start, length, end)
			anchor = pos
			continue
		case long > 0 && e.load64(long) == here:
			from = long
			length = e.extend(from+8, start+8, n) + 8
		case short > 0 && e.load32(short) == uint32(here):
			next := e.load64(pos + 1)
			h := hashLong(next)
			candidate := int(e.long[h])
			e.long[h] = uint16(pos + 1)
			if candidate > 0 && e.load64(candidate) == next {
				start++
				from = candidate
				length = e.extend(from+8, start+8, n) + 8
			} else {
				from = short
				length = e.extend(from+4, start+4, n) + 4
			}
		default:
			pos += 1 + (pos-anchor)>>6 // ever faster through what does not compress
			continue
		}
		for start > anchor && from > 0 && e.data[start-1] == e.data[from-1] {
			start--
			from--
			length++
		}
		e.repeats[0], e.repeats[1] = start-from, e.repeats[0]
		e.add(anchor, start, length, uint32(start-from)+3)
		pos = e.passed(start, length, end)
		anchor = pos
		// What was repeated before is often repeated again.
		for pos < end && e.repeats[1] <= pos && e.load32(pos-e.repeats[1]) == e.load32(pos) {
			length := e.extend(pos-e.repeats[1]+4, pos+4, n) + 4
			e.repeats[0], e.repeats[1] = e.repeats[1], e.repeats[0]
			v := e.load64(pos)
			e.long[hashLong(v)], e.short[hashShort(v)] = uint16(pos), uint16(pos)
			e.add(pos, pos, length, 1) // without literals, 1 is the one before the last
			pos += length
			anchor = pos
		}
	}
	e.literals = append(e.literals, e.data[anchor:n]...)
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

// passed puts some positions of a match into the tables and returns its end.
func (e *Encoder) passed(start, length, end int) int {
	pos := start + length
	if pos < end {
		for _, i := range [2]int{start + 2, pos - 2} {
			v := e.load64(i)
			e.long[hashLong(v)], e.short[hashShort(v)] = uint16(i), uint16(i)
		}
	}
	return pos
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
