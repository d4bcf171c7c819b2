package zstdframe

import "math/bits"

const maxSymbols = 53 // of the largest alphabet, the match lengths'

// A table codes the symbols of one alphabet with finite state entropy, RFC
// 8878 section 4.1. It is filled for each block.
type table struct {
	log    uint8 // of how many states there are
	states [1 << 9]uint16
	change [maxSymbols]change
}

// change is how a state changes when a symbol is coded.
type change struct {
	bits uint32 // (number of bits << 16) less what makes the state overflow into them
	find int32  // what to add to find the next state
}

// normalize scales counts, of which there are total in all, to sum up to 1<<log,
// with at least one for each symbol that occurs.
func normalize(counts []uint32, total uint32, log uint8, norm []int16) {
	left := int32(1) << log
	largest := 0
	for s, c := range counts {
		norm[s] = 0
		if c == 0 {
			continue
		}
		n := int32((uint64(c)<<log + uint64(total)/2) / uint64(total))
		norm[s] = int16(max(n, 1))
		left -= int32(norm[s])
		if norm[s] > norm[largest] {
			largest = s
		}
	}
	// What rounding left over, or took too much, is the most frequent one's,
	// unless that would be too much for it.
	if -left < int32(norm[largest])/2 {
		norm[largest] += int16(left)
		left = 0
	}
	for left < 0 {
		for s := range norm[:len(counts)] {
			if left < 0 && norm[s] > 1 {
				norm[s]--
				left++
			}
		}
	}
}

// tableLog chooses how many states to code n symbols with, of an alphabet of which used occur.
func tableLog(n, used int, most uint8) uint8 {
	log := min(uint8(bits.Len(uint(n-1)))-3, most)
	return min(max(log, uint8(bits.Len(uint(used)))+1, 5), most)
}

// build fills the table for normalized counts; -1 is a symbol with less than one state's share.
func (t *table) build(norm []int16, log uint8) {
	t.log = log
	size := uint32(1) << log
	var symbols [1 << 9]uint8
	var start [maxSymbols + 1]uint16
	high := size - 1
	for s, n := range norm {
		if n == -1 {
			symbols[high] = uint8(s)
			high--
			n = 1
		}
		start[s+1] = start[s] + uint16(n)
	}
	step, mask := size>>1+size>>3+3, size-1
	pos := uint32(0)
	for s, n := range norm {
		for range max(n, 0) {
			symbols[pos] = uint8(s)
			for pos = (pos + step) & mask; pos > high; {
				pos = (pos + step) & mask
			}
		}
	}
	next := start
	for i, s := range symbols[:size] {
		t.states[next[s]] = uint16(size) + uint16(i)
		next[s]++
	}
	for s, n := range norm {
		switch {
		case n == 0:
		case n == 1 || n == -1:
			t.change[s] = change{uint32(log)<<16 - size, int32(start[s]) - 1}
		default:
			most := uint32(log) - uint32(bits.Len16(uint16(n-1))-1)
			t.change[s] = change{most<<16 - uint32(n)<<most, int32(start[s]) - int32(n)}
		}
	}
}

// buildSame makes a table with one state, for a symbol that is the only one.
func (t *table) buildSame(symbol uint8) {
	t.log = 0
	t.states[0] = 0
	t.change[symbol] = change{}
}

// first returns the state that has coded a symbol as the last of all.
func (t *table) first(symbol uint8) uint32 {
	c := t.change[symbol]
	n := (c.bits + 1<<15) >> 16
	return uint32(t.states[int32((n<<16-c.bits)>>n)+c.find])
}

// appendCounts appends normalized counts as section 4.1.1 has them sent.
func appendCounts(dst []byte, norm []int16, log uint8) []byte {
	var w bitWriter
	w.dst = dst
	w.add(uint64(log-5), 4)
	remaining, threshold, width := int32(1)<<log+1, int32(1)<<log, uint(log)+1
	zero := false
	for s := 0; s < len(norm) && remaining > 1; {
		if zero { // how many more symbols do not occur
			run := 0
			for norm[s] == 0 {
				s++
				run++
			}
			for ; run >= 3; run -= 3 {
				w.add(3, 2)
			}
			w.add(uint64(run), 2)
		}
		n := int32(norm[s])
		s++
		limit := 2*threshold - 1 - remaining
		remaining -= max(n, -n)
		n++
		zero = n == 1
		if n >= threshold {
			n += limit
		}
		if n < limit {
			w.add(uint64(n), width-1)
		} else {
			w.add(uint64(n), width)
		}
		for remaining < threshold {
			width--
			threshold >>= 1
		}
	}
	return w.end()
}

// A bitWriter puts bits together, the lowest first.
type bitWriter struct {
	dst  []byte
	bits uint64
	n    uint
}

// add appends the low n bits of v, at most 32.
func (w *bitWriter) add(v uint64, n uint) {
	w.bits |= v & (1<<n - 1) << w.n
	w.n += n
	for w.n >= 8 {
		w.dst = append(w.dst, byte(w.bits))
		w.bits >>= 8
		w.n -= 8
	}
}

func (w *bitWriter) end() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.bits))
	}
	return w.dst
}
