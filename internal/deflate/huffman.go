package deflate

import (
	"math/bits"
	"slices"
)

const (
	literals  = 256 // and end of block
	symbols   = 288 // of the larger alphabet
	litlens   = 286 // of them that may occur
	distances = 30
	maxBits   = 15
)

// A histogram counts the symbols of one alphabet and gets codes for them.
type histogram struct {
	freq   [symbols]uint32
	length [symbols]uint8  // of the code, bits; 0: the symbol does not occur
	code   [symbols]uint16 // its bits, the first to be sent lowest
}

// build gives every symbol of the first n that occurs a prefix code of at most
// limit bits, canonical as RFC 1951, section 3.2.2 has it.
func (h *histogram) build(n, limit int) {
	var order [litlens]uint32 // frequency in the high bits, symbol in the low 9
	used := 0
	for i := range n {
		h.length[i] = 0
		if f := h.freq[i]; f > 0 {
			order[used] = f<<9 | uint32(i)
			used++
		}
	}
	switch used {
	case 0:
		return
	case 1: // a code needs two symbols to be complete
		h.length[order[0]&511] = 1
		other := 0
		if order[0]&511 == 0 {
			other = 1
		}
		h.length[other] = 1
	default:
		slices.Sort(order[:used])
		h.setLengths(order[:used], limit)
	}
	h.setCodes(n)
}

// setLengths finds the lengths of an optimal code for symbols in ascending
// order of frequency, in place as Moffat and Katajainen do ("In-place
// calculation of minimum-redundancy codes", 1995), and then makes codes longer
// than limit fit.
func (h *histogram) setLengths(order []uint32, limit int) {
	n := len(order)
	var a [litlens]int32
	for i, o := range order {
		a[i] = int32(o >> 9)
	}
	// Pair the two least ones again and again; a[i] becomes the parent's place.
	root, leaf := 0, 0
	for next := range n - 1 {
		sum := int32(0)
		for range 2 {
			if leaf >= n || root < next && a[root] < a[leaf] {
				sum += a[root]
				a[root] = int32(next)
				root++
			} else {
				sum += a[leaf]
				leaf++
			}
		}
		a[next] = sum
	}
	// The depth of the inner nodes, from the root downwards.
	a[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		a[i] = a[a[i]] + 1
	}
	// How many leaves there are at each depth.
	var count [64]int
	available, depth := 1, 0
	inner := n - 2
	for left := n; left > 0; depth++ {
		used := 0
		for inner >= 0 && int(a[inner]) == depth {
			used++
			inner--
		}
		leaves := min(available-used, left)
		count[min(depth, len(count)-1)] += leaves
		left -= leaves
		available = 2 * used
	}
	fit(&count, limit)
	i := n - 1
	for depth := 1; depth <= limit; depth++ {
		for range count[depth] {
			h.length[order[i]&511] = uint8(depth)
			i--
		}
	}
}

// fit changes how many codes there are of each length so that none is longer
// than limit: the longest ones are shortened, and for that others made longer.
func fit(count *[64]int, limit int) {
	for depth := len(count) - 1; depth > limit; depth-- {
		count[limit] += count[depth]
		count[depth] = 0
	}
	// What the codes take of the space of all codes of limit bits.
	total := 0
	for depth := 1; depth <= limit; depth++ {
		total += count[depth] << (limit - depth)
	}
	for ; total > 1<<limit; total-- {
		// A code of the limit's length goes below one that is shorter.
		depth := limit - 1
		for count[depth] == 0 {
			depth--
		}
		count[depth]--
		count[depth+1] += 2
		count[limit]--
	}
}

func (h *histogram) setCodes(n int) {
	var count, next [maxBits + 1]uint16
	for _, l := range h.length[:n] {
		count[l]++
	}
	count[0] = 0
	for l := 1; l <= maxBits; l++ {
		next[l] = (next[l-1] + count[l-1]) << 1
	}
	for i, l := range h.length[:n] {
		if l > 0 {
			h.code[i] = bits.Reverse16(next[l]) >> (16 - l)
			next[l]++
		}
	}
}

// cost is how many bits the codes of all symbols counted take.
func (h *histogram) cost() int {
	total := 0
	for i, f := range h.freq {
		total += int(f) * int(h.length[i])
	}
	return total
}
