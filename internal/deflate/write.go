package deflate

import (
	"encoding/binary"
	"math/bits"
)

// The codes of RFC 1951, section 3.2.5: matches are told by the slot of their
// length and of their distance, each with some bits that say where in the slot.
var (
	lengthSlot  [512]uint8 // of a match length
	lengthBase  [29]uint16
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

	// The code lengths are sent in this order, section 3.2.7.
	lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

	fixedLitlen, fixedDist histogram
)

func init() {
	base := minMatch
	for slot, extra := range lengthExtra {
		if slot == 28 {
			base = maxMatch // which has a slot to itself
		}
		lengthBase[slot] = uint16(base)
		for range 1 << extra {
			lengthSlot[base] = uint8(slot)
			base++
		}
	}
	for i := range fixedLitlen.length {
		switch {
		case i < 144:
			fixedLitlen.length[i] = 8
		case i < 256:
			fixedLitlen.length[i] = 9
		case i < 280:
			fixedLitlen.length[i] = 7
		default:
			fixedLitlen.length[i] = 8
		}
	}
	fixedLitlen.setCodes(symbols)
	for i := range distances {
		fixedDist.length[i] = 5
	}
	fixedDist.setCodes(distances)
}

// distanceSlot returns the slot of a distance from 1 to 32768.
func distanceSlot(distance int) int {
	d := uint(distance - 1)
	if d < 2 {
		return int(d)
	}
	log := bits.Len(d) - 1
	return 2*log + int(d>>(log-1)&1)
}

// distanceExtra is how many bits tell the place in a distance's slot.
func distanceExtra(slot int) uint { return uint(max(slot/2-1, 0)) }

// writeBlock writes the tokens as a block, or the data they stand for if that is shorter.
func (e *Encoder) writeBlock(data []byte, last bool) {
	e.litlen.freq[literals]++
	extra := e.extraBits()
	fixed := extra
	for i, f := range e.litlen.freq {
		fixed += int(f) * int(fixedLitlen.length[i])
	}
	for _, f := range e.dist.freq[:distances] {
		fixed += int(f) * 5
	}
	e.litlen.build(litlens, maxBits)
	e.dist.build(distances, maxBits)
	var head header
	head.build(&e.litlen, &e.dist)
	dynamic := extra + head.cost() + e.litlen.cost() + e.dist.cost()

	final := uint64(0)
	if last {
		final = 1
	}
	w := &e.out
	switch stored := storedBits(len(data)); {
	case stored <= min(fixed, dynamic):
		w.stored(data, final)
	case fixed <= dynamic:
		w.put(1<<1|final, 3)
		w.tokens(e.tokens[:e.count], &fixedLitlen, &fixedDist)
	default:
		w.put(2<<1|final, 3)
		head.write(w)
		w.tokens(e.tokens[:e.count], &e.litlen, &e.dist)
	}
}

// extraBits is how many bits the tokens take besides their codes.
func (e *Encoder) extraBits() int {
	total := 0
	for slot, n := range lengthExtra {
		total += int(e.litlen.freq[literals+1+slot]) * int(n)
	}
	for slot := range distances {
		total += int(e.dist.freq[slot]) * int(distanceExtra(slot))
	}
	return total
}

// storedBits is what n bytes take when they are stored, without the alignment before them.
func storedBits(n int) int { return (n + 5*max(1, (n+0xfffe)/0xffff)) * 8 }

// A header is the code lengths at the beginning of a dynamic block.
type header struct {
	hlit, hdist, hclen int
	items              [litlens + distances]uint16 // a symbol in the low 5 bits, above it its extra bits' value
	count              int
	lengths            histogram // of the items' symbols
}

// build makes the header for the codes of a block.
func (h *header) build(litlen, dist *histogram) {
	h.hlit, h.hdist = litlens, distances
	for h.hlit > literals+1 && litlen.length[h.hlit-1] == 0 {
		h.hlit--
	}
	for h.hdist > 1 && dist.length[h.hdist-1] == 0 {
		h.hdist--
	}
	var all [litlens + distances]uint8
	n := copy(all[:], litlen.length[:h.hlit])
	n += copy(all[n:], dist.length[:h.hdist])
	for i := 0; i < n; {
		run := 1
		for i+run < n && all[i+run] == all[i] {
			run++
		}
		i += run
		h.addRun(all[i-1], run)
	}
	h.lengths.build(len(lengthOrder), 7)
	h.hclen = len(lengthOrder)
	for h.hclen > 4 && h.lengths.length[lengthOrder[h.hclen-1]] == 0 {
		h.hclen--
	}
}

// addRun adds n code lengths of the same value.
func (h *header) addRun(value uint8, n int) {
	if value == 0 {
		for ; n >= 11; n -= min(n, 138) {
			h.add(18, min(n, 138)-11)
		}
		if n >= 3 {
			h.add(17, n-3)
			n = 0
		}
	} else if n >= 4 {
		h.add(uint16(value), 0)
		n--
		for ; n >= 3; n -= min(n, 6) {
			h.add(16, min(n, 6)-3)
		}
	}
	for range n {
		h.add(uint16(value), 0)
	}
}

func (h *header) add(symbol uint16, extra int) {
	h.items[h.count] = symbol | uint16(extra)<<5
	h.count++
	h.lengths.freq[symbol]++
}

// itemExtra is how many extra bits a code length symbol has.
func itemExtra(symbol uint16) uint {
	switch symbol {
	case 16:
		return 2
	case 17:
		return 3
	case 18:
		return 7
	}
	return 0
}

func (h *header) cost() int {
	total := 14 + 3*h.hclen + h.lengths.cost()
	for symbol := uint16(16); symbol <= 18; symbol++ {
		total += int(h.lengths.freq[symbol]) * int(itemExtra(symbol))
	}
	return total
}

func (h *header) write(w *writer) {
	w.put(uint64(h.hlit-257), 5)
	w.put(uint64(h.hdist-1), 5)
	w.put(uint64(h.hclen-4), 4)
	for _, symbol := range lengthOrder[:h.hclen] {
		w.put(uint64(h.lengths.length[symbol]), 3)
	}
	for _, item := range h.items[:h.count] {
		symbol := item & 31
		w.put(uint64(h.lengths.code[symbol]), uint(h.lengths.length[symbol]))
		w.put(uint64(item>>5), itemExtra(symbol))
	}
}

// A writer puts bits together, the lowest first.
type writer struct {
	dst  []byte
	bits uint64
	n    uint // of bits, less than 8 between calls
}

func (w *writer) begin(dst []byte, size int) {
	*w = writer{dst: dst}
}

func (w *writer) end() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.bits))
	}
	dst := w.dst
	w.dst = nil
	return dst
}

// put appends the low n bits of v, at most 48; the others are zero.
func (w *writer) put(v uint64, n uint) {
	w.bits |= v << w.n
	w.n += n
	for ; w.n >= 8; w.n -= 8 {
		w.dst = append(w.dst, byte(w.bits))
		w.bits >>= 8
	}
}

// stored writes data as it is.
func (w *writer) stored(data []byte, final uint64) {
	for first := true; first || len(data) > 0; first = false {
		n := min(len(data), 0xffff)
		f := final
		if n < len(data) {
			f = 0
		}
		w.put(f, 3)
		if w.n > 0 {
			w.put(0, 8-w.n)
		}
		w.dst = binary.LittleEndian.AppendUint16(w.dst, uint16(n))
		w.dst = binary.LittleEndian.AppendUint16(w.dst, ^uint16(n))
		w.dst = append(w.dst, data[:n]...)
		data = data[n:]
	}
}

// tokens writes tokens and the end of the block.
func (w *writer) tokens(tokens []token, litlen, dist *histogram) {
	// A token takes 6 bytes at the most, and 8 are written at a time.
	at := len(w.dst)
	dst := append(w.dst, make([]byte, 6*len(tokens)+16)...)
	acc, n := w.bits, w.n
	for _, t := range tokens {
		if n > 64-48 { // 48 bits for the longest token
			binary.LittleEndian.PutUint64(dst[at:], acc)
			at += int(n / 8)
			acc >>= n &^ 7
			n &= 7
		}
		if t < literals {
			acc |= uint64(litlen.code[t]) << (n & 63)
			n += uint(litlen.length[t])
			continue
		}
		length, distance := int(t&511), int(t>>16)
		slot := lengthSlot[length]
		acc |= uint64(litlen.code[literals+1+int(slot)]) << (n & 63)
		n += uint(litlen.length[literals+1+int(slot)])
		acc |= uint64(length-int(lengthBase[slot])) << (n & 63)
		n += uint(lengthExtra[slot])
		d := distanceSlot(distance)
		acc |= uint64(dist.code[d]) << (n & 63)
		n += uint(dist.length[d])
		extra := distanceExtra(d)
		acc |= uint64(distance-1) & (1<<extra - 1) << (n & 63)
		n += extra
	}
	binary.LittleEndian.PutUint64(dst[at:], acc)
	at += int(n / 8)
	w.dst, w.bits, w.n = dst[:at], acc>>(n&^7), n&7
	w.put(uint64(litlen.code[literals]), uint(litlen.length[literals]))
}
