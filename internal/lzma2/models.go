package lzma2

import "math/bits"

const (
	states    = 12 // of what the last symbols were
	posStates = 4  // of where the position is in four bytes: the property pb is 2

	minLen = 2
	maxLen = 273

	lenStates     = 4   // a distance's probs depend on its length up to 5
	endOfSpecial  = 128 // shorter distances have a prob for each of their bits
	firstSpecial  = 4   // slots below are distances
	firstAlign    = 14  // slots from here on have direct bits, and four of distAlign
	alignBits     = 4
	literalProbs  = 0x300
	literalStates = 8 // of the byte before: the property lc is 3, lp is 0

	// properties says lc, lp and pb as (pb * 5 + lp) * 9 + lc.
	properties = (2*5+0)*9 + 3
)

// models are all probs of LZMA.
type models struct {
	isMatch     [states][posStates]prob
	isRep       [states]prob
	isRep0      [states]prob // 0 for the latest of the four distances
	isRep1      [states]prob
	isRep2      [states]prob
	isRep0Long  [states][posStates]prob // 0 for a single byte of it
	literals    [literalStates][literalProbs]prob
	distSlot    [lenStates][64]prob
	distSpecial [endOfSpecial - firstAlign]prob
	distAlign   [1 << alignBits]prob
	matchLen    lengthModel
	repLen      lengthModel
}

// A lengthModel has the probs of a match's length: 2 to 9 in low, to 17 in mid,
// to 273 in high.
type lengthModel struct {
	choice, choice2 prob
	low, mid        [posStates][8]prob
	high            [256]prob
}

func (m *models) reset() {
	fill := func(probs []prob) {
		for i := range probs {
			probs[i] = even
		}
	}
	for i := range states {
		fill(m.isMatch[i][:])
		fill(m.isRep0Long[i][:])
	}
	fill(m.isRep[:])
	fill(m.isRep0[:])
	fill(m.isRep1[:])
	fill(m.isRep2[:])
	for i := range m.literals {
		fill(m.literals[i][:])
	}
	for i := range m.distSlot {
		fill(m.distSlot[i][:])
	}
	fill(m.distSpecial[:])
	fill(m.distAlign[:])
	for _, l := range []*lengthModel{&m.matchLen, &m.repLen} {
		l.choice, l.choice2 = even, even
		for i := range posStates {
			fill(l.low[i][:])
			fill(l.mid[i][:])
		}
		fill(l.high[:])
	}
}

// A state tells of which kinds the last symbols were. From 7 on the last was a
// match.
type state uint8

func (s state) afterLiteral() state {
	switch {
	case s < 4:
		return 0
	case s < 10:
		return s - 3
	}
	return s - 6
}

func (s state) afterMatch() state    { return s.after(7, 10) }
func (s state) afterRep() state      { return s.after(8, 11) }
func (s state) afterShortRep() state { return s.after(9, 11) }

func (s state) after(literal, match state) state {
	if s < 7 {
		return literal
	}
	return match
}

// slot returns the slot of a distance, which is less by one than it is: twice
// how many bits it has, and its second bit.
func slot(dist uint32) uint32 {
	if dist < firstSpecial {
		return dist
	}
	n := uint32(bits.Len32(dist)) - 1
	return n<<1 | dist>>(n-1)&1
}

// footer returns how many bits of a distance its slot does not tell, and the
// slot's first distance.
func footer(slot uint32) (n int, base uint32) {
	n = int(slot>>1) - 1
	return n, (2 | slot&1) << n
}

// special returns the probs of the bits that the slot, of fewer than
// firstAlign, does not tell.
func (m *models) special(slot, base uint32) []prob { return m.distSpecial[base-slot:] }

func lenState(length int) int { return min(length-minLen, lenStates-1) }

// back returns the byte dist before pos: 0 and false before the first.
func back(data []byte, pos int, dist uint32) (byte, bool) {
	if was := pos - int(dist); was >= 0 {
		return data[was], true
	}
	return 0, false
}

// literal returns the probs of a literal at pos.
func (m *models) literal(data []byte, pos int) *[literalProbs]prob {
	before, _ := back(data, pos, 1)
	return &m.literals[before>>5]
}

func (e *rangeEncoder) literal(probs *[literalProbs]prob, s state, symbol, expected byte) {
	if s < 7 {
		e.tree(probs[:], uint32(symbol), 8)
		return
	}
	offset, match, m := uint32(0x100), uint32(expected), uint32(symbol)|0x100
	for m < 0x10000 {
		match <<= 1
		e.bit(&probs[offset+match&offset+m>>8], m>>7&1)
		m <<= 1
		offset &^= match ^ m
	}
}

func (e *rangeEncoder) length(m *lengthModel, length, posState int) {
	n := uint32(length - minLen)
	switch {
	case n < 8:
		e.bit(&m.choice, 0)
		e.tree(m.low[posState][:], n, 3)
	case n < 16:
		e.bit(&m.choice, 1)
		e.bit(&m.choice2, 0)
		e.tree(m.mid[posState][:], n-8, 3)
	default:
		e.bit(&m.choice, 1)
		e.bit(&m.choice2, 1)
		e.tree(m.high[:], n-16, 8)
	}
}

func (e *rangeEncoder) distance(m *models, dist uint32, length int) {
	s := slot(dist)
	e.tree(m.distSlot[lenState(length)][:], s, 6)
	if s < firstSpecial {
		return
	}
	n, base := footer(s)
	if s < firstAlign {
		e.reverseTree(m.special(s, base), dist-base, n)
		return
	}
	e.direct((dist-base)>>alignBits, n-alignBits)
	e.reverseTree(m.distAlign[1:], dist&(1<<alignBits-1), alignBits)
}

// rep encodes which of the last distances it is, and the length.
func (e *rangeEncoder) rep(m *models, s state, posState, i, length int) {
	if i == 0 {
		e.bit(&m.isRep0[s], 0)
		if length == 1 {
			e.bit(&m.isRep0Long[s][posState], 0)
			return
		}
		e.bit(&m.isRep0Long[s][posState], 1)
	} else {
		e.bit(&m.isRep0[s], 1)
		if i == 1 {
			e.bit(&m.isRep1[s], 0)
		} else {
			e.bit(&m.isRep1[s], 1)
			e.bit(&m.isRep2[s], uint32(i-2))
		}
	}
	e.length(&m.repLen, length, posState)
}
