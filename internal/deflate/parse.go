package deflate

import "math/bits"

// How hard the parser tries. The numbers were found by measuring.
const (
	depth     = 12 // candidates that are looked at for a match
	lazyDepth = 6  // the same for a better one at the next byte
	niceMatch = 48 // a match that is long enough to look no further, bytes
)

// parse divides the first n bytes of the segment into tokens.
func (e *Encoder) parse(n int) {
	clear(e.head4[:])
	clear(e.head3[:])
	e.litlen, e.dist = histogram{}, histogram{}
	e.count = 0
	for pos := 0; pos < n; {
		length, distance := e.search(pos, n, minMatch-1, depth)
		if length < minMatch {
			e.literal(pos)
			pos++
			continue
		}
		next := pos + 1
		for length < niceMatch && next < n {
			l, d := e.search(next, n, length-1, lazyDepth)
			if l < length || 4*(l-length)+bits.Len(uint(distance))-bits.Len(uint(d)) <= 2 {
				next++
				break
			}
			e.literal(pos)
			pos, length, distance = next, l, d
			next++
		}
		e.match(length, distance)
		pos += length
		for ; next < pos; next++ {
			e.insert(next)
		}
	}
}

func (e *Encoder) literal(pos int) {
	b := e.data[pos&(segment-1)]
	e.tokens[e.count&(segment-1)] = token(b)
	e.count++
	e.litlen.freq[b]++
}

func (e *Encoder) match(length, distance int) {
	e.tokens[e.count&(segment-1)] = token(distance<<16 | length)
	e.count++
	e.litlen.freq[257+int(lengthSlot[length&511])]++
	e.dist.freq[distanceSlot(distance)]++
}

func (e *Encoder) insert(pos int) {
	p := uint16(pos)
	v := e.load32(p)
	h := hash4(v)
	e.prev4[p] = e.head4[h]
	e.head4[h] = p
	e.head3[hash3(v)] = p
}

// search inserts pos and returns the longest match for what is there that is
// longer than best, or a length of best.
func (e *Encoder) search(pos, n, best, depth int) (length, distance int) {
	p := uint16(pos)
	v := e.load32(p)
	h, h3 := hash4(v), hash3(v)
	candidate, near := e.head4[h], e.head3[h3]
	e.prev4[p] = candidate
	e.head4[h] = p
	e.head3[h3] = p

	most := min(n-pos, maxMatch)
	if best >= most {
		return best, 0
	}
	oldest := max(pos-e.window, 1)
	if best < minMatch && int(near) >= oldest && (e.load32(near)^v)<<8 == 0 && most >= minMatch {
		best, distance = minMatch, pos-int(near)
	}
	if most < 4 {
		return best, distance
	}
	for ; depth > 0 && int(candidate) >= oldest; depth-- {
		c := candidate
		candidate = e.prev4[c]
		// What is longer than the best so far agrees in the four bytes that end behind it too.
		if e.load32(c) != v || best >= 4 && e.load32(c+uint16(best)-3) != e.load32(p+uint16(best)-3) {
			continue
		}
		if l := e.extend(int(c), pos, most); l > best {
			best, distance = l, pos-int(c)
			if l >= niceMatch || l == most {
				break
			}
		}
	}
	return best, distance
}

// extend returns how many bytes from a and from b on agree, given that the
// first four do, at most most of them.
func (e *Encoder) extend(a, b, most int) int {
	n := 4
	for ; n < most; n += 8 {
		if x := e.load64(a+n) ^ e.load64(b+n); x != 0 {
			return min(n+bits.TrailingZeros64(x)/8, most)
		}
	}
	return most
}
