package zstdframe

import (
	"encoding/binary"
	"math/bits"
)

// How a table is sent.
const (
	predefined  = 0
	sameSymbol  = 1
	sentCounts  = 2
	fewSymbols  = 64 // sequences, for which the predefined tables do as well
	litLenLog   = 9
	matchLenLog = 9
	offsetLog   = 8
)

// Literal and match lengths have codes for ranges, and some bits that say
// where in the range (section 3.1.1.3.2.1.1).
var (
	litLenBits   = [36]uint8{16: 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	matchLenBits = [53]uint8{32: 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

	litLenCodes   [64]uint8  // of lengths less than 64
	matchLenCodes [128]uint8 // of lengths, less three, less than 128

	// The predefined distributions (section 3.1.1.3.2.2).
	litLenNorm = []int16{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1}
	offsetNorm = []int16{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1}
	matchNorm  = []int16{1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1}
)

func init() {
	fill := func(codes, bits []uint8) {
		at := 0
		for code, n := range bits {
			for range 1 << n {
				if at < len(codes) {
					codes[at] = uint8(code)
				}
				at++
			}
		}
	}
	fill(litLenCodes[:], litLenBits[:])
	fill(matchLenCodes[:], matchLenBits[:])
}

func litLenCode(n uint32) uint8 {
	if n < uint32(len(litLenCodes)) {
		return litLenCodes[n]
	}
	return uint8(bits.Len32(n)) + 18
}

func matchLenCode(n uint32) uint8 {
	if n < uint32(len(matchLenCodes)) {
		return matchLenCodes[n]
	}
	return uint8(bits.Len32(n)) + 35
}

func offsetCode(n uint32) uint8 { return uint8(bits.Len32(n)) - 1 }

// appendSequences appends the sequences section, section 3.1.1.3.2.
func (e *Encoder) appendSequences(dst []byte) []byte {
	n := len(e.sequences)
	switch {
	case n < 128:
		dst = append(dst, byte(n))
	default: // there are never enough for the third form, 0x7f00
		dst = append(dst, byte(n>>8)+128, byte(n))
	}
	if n == 0 {
		return dst
	}
	var litLens, offsets, matches [maxSymbols]uint32
	for _, s := range e.sequences {
		litLens[litLenCode(s.literals)]++
		offsets[offsetCode(s.offset)]++
		matches[matchLenCode(s.match)]++
	}
	modes := len(dst)
	dst = append(dst, 0)
	var mode [3]byte
	dst, mode[0] = e.litLen.choose(dst, litLens[:], n, litLenLog, litLenNorm, 6)
	dst, mode[1] = e.offset.choose(dst, offsets[:], n, offsetLog, offsetNorm, 5)
	dst, mode[2] = e.matchLen.choose(dst, matches[:], n, matchLenLog, matchNorm, 6)
	dst[modes] = mode[0]<<6 | mode[1]<<4 | mode[2]<<2
	return e.appendBits(dst)
}

// choose builds the table for n symbols and appends it as it is sent, in the way it returns.
func (t *table) choose(dst []byte, counts []uint32, n int, most uint8, standard []int16, standardLog uint8) ([]byte, byte) {
	used, last := 0, 0
	for s, c := range counts {
		if c > 0 {
			used++
			last = s
		}
	}
	switch {
	case used == 1:
		t.buildSame(uint8(last))
		return append(dst, byte(last)), sameSymbol
	case n < fewSymbols && last < len(standard):
		t.build(standard, standardLog)
		return dst, predefined
	}
	var norm [maxSymbols]int16
	log := tableLog(n, last, most)
	normalize(counts[:last+1], uint32(n), log, norm[:])
	t.build(norm[:last+1], log)
	return appendCounts(dst, norm[:last+1], log), sentCounts
}

// appendBits appends the sequences' codes and bits. The decoder reads them
// from their end, so the last sequence comes first.
func (e *Encoder) appendBits(dst []byte) []byte {
	at := len(dst)
	// A sequence takes at most 9+9+8 bits of states and 3*16 others.
	dst = append(dst, make([]byte, 10*len(e.sequences)+16)...)
	var acc uint64
	var n uint
	add := func(v uint32, width uint) {
		acc |= uint64(v&(1<<(width&31)-1)) << (n & 63) // the masks tell the compiler that no shift is too far
		n += width
	}
	flush := func() {
		binary.LittleEndian.PutUint64(dst[at:], acc)
		at += int(n / 8)
		acc >>= n &^ 7
		n &= 7
	}
	lengths, matches, offsets := &e.litLen, &e.matchLen, &e.offset
	var litLen, match, offset uint32 // states
	for i := len(e.sequences) - 1; i >= 0; i-- {
		s := &e.sequences[i]
		ll, ml, of := litLenCode(s.literals), matchLenCode(s.match), offsetCode(s.offset)
		if i == len(e.sequences)-1 {
			litLen, match, offset = lengths.first(ll), matches.first(ml), offsets.first(of)
		} else {
			c := offsets.change[of]
			width := (offset + c.bits) >> 16
			add(offset, uint(width))
			offset = uint32(offsets.states[int32(offset>>(width&31))+c.find])
			c = matches.change[ml]
			width = (match + c.bits) >> 16
			add(match, uint(width))
			match = uint32(matches.states[int32(match>>(width&31))+c.find])
			c = lengths.change[ll]
			width = (litLen + c.bits) >> 16
			add(litLen, uint(width))
			litLen = uint32(lengths.states[int32(litLen>>(width&31))+c.find])
			flush()
		}
		add(s.literals, uint(litLenBits[ll]))
		add(s.match, uint(matchLenBits[ml]))
		add(s.offset, uint(of))
		flush()
	}
	add(match, uint(matches.log))
	add(offset, uint(offsets.log))
	add(litLen, uint(lengths.log))
	add(1, 1) // where the bits end
	flush()
	if n > 0 {
		at++
	}
	return dst[:at]
}
