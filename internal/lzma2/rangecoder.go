package lzma2

// A prob is the probability that a bit is 0, in parts of 2048.
type prob uint16

const (
	probBits = 11
	moveBits = 5 // how slowly a prob follows what it sees
	even     = prob(1 << (probBits - 1))

	// Prices are what something takes in the output, in sixteenths of a bit.
	priceShift = 4
	bitPrice   = 1 << priceShift
)

// prices are those of a bit 0, by its prob without its last four bits.
var prices = func() (table [1 << (probBits - 4)]uint32) {
	for i := range table {
		// Squared four times, the number's logarithm is in sixteenths.
		w, bits := uint32(i<<4|8), uint32(0)
		for range priceShift {
			w *= w
			bits <<= 1
			for w >= 1<<16 {
				w >>= 1
				bits++
			}
		}
		table[i] = probBits<<priceShift - 15 - bits
	}
	return table
}()

func (p prob) price0() uint32 { return prices[p>>4&127] }
func (p prob) price1() uint32 { return prices[(1<<probBits-1-p)>>4&127] }

func (p prob) price(bit uint32) uint32 {
	return prices[(uint32(p)^-bit&(1<<probBits-1))>>4&127]
}

// A rangeEncoder turns bits and their probabilities into bytes.
type rangeEncoder struct {
	out     []byte
	low     uint64
	width   uint32
	cache   byte
	pending int // bytes that a carry may still change: cache, and those 0xff behind it
}

func (e *rangeEncoder) reset() {
	*e = rangeEncoder{out: e.out[:0], width: 1<<32 - 1, pending: 1}
}

// size is how many bytes out will have after flush.
func (e *rangeEncoder) size() int { return len(e.out) + e.pending + 4 }

func (e *rangeEncoder) flush() {
	for range 5 {
		e.shift()
	}
}

func (e *rangeEncoder) shift() {
	if uint32(e.low) < 0xff000000 || e.low>>32 != 0 {
		carry := byte(e.low >> 32)
		e.out = append(e.out, e.cache+carry)
		for ; e.pending > 1; e.pending-- {
			e.out = append(e.out, 0xff+carry)
		}
		e.pending = 0
		e.cache = byte(e.low >> 24)
	}
	e.pending++
	e.low = e.low << 8 & (1<<32 - 1)
}

// bit encodes one bit and lets p follow it.
func (e *rangeEncoder) bit(p *prob, bit uint32) {
	bound := e.width >> probBits * uint32(*p)
	if bit == 0 {
		e.width = bound
		*p += (1<<probBits - *p) >> moveBits
	} else {
		e.low += uint64(bound)
		e.width -= bound
		*p -= *p >> moveBits
	}
	if e.width < 1<<24 {
		e.width <<= 8
		e.shift()
	}
}

// direct encodes the last n bits of v, each as likely 0 as 1.
func (e *rangeEncoder) direct(v uint32, n int) {
	for n--; n >= 0; n-- {
		e.width >>= 1
		e.low += uint64(e.width & -(v >> n & 1))
		if e.width < 1<<24 {
			e.width <<= 8
			e.shift()
		}
	}
}

// tree encodes the last n bits of v, the highest first, each with the prob that
// belongs to those before it.
func (e *rangeEncoder) tree(probs []prob, v uint32, n int) {
	m := uint32(1)
	for n--; n >= 0; n-- {
		bit := v >> n & 1
		e.bit(&probs[m], bit)
		m = m<<1 | bit
	}
}

// reverseTree does the same, the lowest bit first. The first prob is that of
// the first bit.
func (e *rangeEncoder) reverseTree(probs []prob, v uint32, n int) {
	m := uint32(1)
	for range n {
		bit := v & 1
		v >>= 1
		e.bit(&probs[m-1], bit)
		m = m<<1 | bit
	}
}
