package lzma2

// priceTables are prices that change slowly.
type priceTables struct {
	match, rep [posStates][nice + 1]uint32
	slots      [lenStates][64]uint32
	distances  [lenStates][endOfSpecial]uint32
	align      [1 << alignBits]uint32
}

// update takes the prices from the models.
func (t *priceTables) update(m *models) {
	for posState := range posStates {
		for l := minLen; l <= nice; l++ {
			t.match[posState][l] = m.matchLen.price(l, posState)
			t.rep[posState][l] = m.repLen.price(l, posState)
		}
	}
	for ls := range lenStates {
		for s := range slot(DictSize-1) + 1 {
			t.slots[ls][s] = treePrice(m.distSlot[ls][:], s, 6)
			if s >= firstAlign {
				n, _ := footer(s)
				t.slots[ls][s] += uint32(n-alignBits) * bitPrice
			}
		}
	}
	for dist := range uint32(endOfSpecial) {
		s := slot(dist)
		var price uint32
		if s >= firstSpecial {
			n, base := footer(s)
			price = reverseTreePrice(m.special(s, base), dist-base, n)
		}
		for ls := range lenStates {
			t.distances[ls][dist] = t.slots[ls][s] + price
		}
	}
	for i := range t.align {
		t.align[i] = reverseTreePrice(m.distAlign[1:], uint32(i), alignBits)
	}
}

// distance is the price of a match's distance, which is less by one than it is.
func (t *priceTables) distance(dist uint32, length int) uint32 {
	ls := lenState(length)
	if dist < endOfSpecial {
		return t.distances[ls][dist]
	}
	return t.slots[ls][slot(dist)] + t.align[dist&(1<<alignBits-1)]
}

// repPrice is what it takes to tell which of the last distances it is, of a
// match longer than one byte.
func (m *models) repPrice(i int, s state, posState int) uint32 {
	if i == 0 {
		return m.isRep0[s].price0() + m.isRep0Long[s][posState].price1()
	}
	price := m.isRep0[s].price1()
	if i == 1 {
		return price + m.isRep1[s].price0()
	}
	return price + m.isRep1[s].price1() + m.isRep2[s].price(uint32(i-2))
}

func (m *lengthModel) price(length, posState int) uint32 {
	n := uint32(length - minLen)
	switch {
	case n < 8:
		return m.choice.price0() + treePrice(m.low[posState][:], n, 3)
	case n < 16:
		return m.choice.price1() + m.choice2.price0() + treePrice(m.mid[posState][:], n-8, 3)
	}
	return m.choice.price1() + m.choice2.price1() + treePrice(m.high[:], n-16, 8)
}

// literalPrice is what a literal takes. After a match its bits have other probs
// as long as they are those of the byte that the match would have gone on with.
func literalPrice(probs *[literalProbs]prob, s state, symbol, expected byte) (price uint32) {
	if s < 7 {
		return treePrice(probs[:], uint32(symbol), 8)
	}
	offset, match, m := uint32(0x100), uint32(expected), uint32(symbol)|0x100
	for m < 0x10000 {
		match <<= 1
		price += probs[offset+match&offset+m>>8].price(m >> 7 & 1)
		m <<= 1
		offset &^= match ^ m
	}
	return price
}

func treePrice(probs []prob, v uint32, n int) (price uint32) {
	for m := v | 1<<n; m > 1; m >>= 1 {
		price += probs[m>>1].price(m & 1)
	}
	return price
}

func reverseTreePrice(probs []prob, v uint32, n int) (price uint32) {
	m := uint32(1)
	for range n {
		bit := v & 1
		v >>= 1
		price += probs[m-1].price(bit)
		m = m<<1 | bit
	}
	return price
}
