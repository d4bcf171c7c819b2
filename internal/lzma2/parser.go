package lzma2

const (
	window   = 4096 // positions that are weighed together, at most
	infinite = 1 << 30

	// A match of this length is taken without weighing.
	nice = 32

	// A position from which it takes no more than three bits to the next is most
	// likely inside a long match: nothing begins there.
	flat = 3 * bitPrice
)

// A step is a literal, of the distance 0, or a match. The distances are told,
// not which of the last four it is: so the steps stay right when those are
// forgotten.
type step struct {
	dist   uint32
	length int32
}

// A node is the cheapest way found to a position.
type node struct {
	price   uint32
	step    step // the last one
	literal bool // there was a literal before step
	first   step // before the literal, if there was a match
	state   state
	reps    [4]uint32
}

// covers is how many positions the node's steps take.
func (n *node) covers() int {
	if n.literal {
		return int(n.first.length) + 1 + int(n.step.length)
	}
	return int(n.step.length)
}

// A parser chooses the steps that take the least room, by what the models make
// of them now.
type parser struct {
	*models
	find   *finder
	prices priceTables
	nodes  [window + maxLen + 1]node
	end    int    // the last node that a way leads to
	steps  []step // the chosen ones, the last first
}

// parse chooses the steps from pos on, with the state and the last distances
// there.
func (p *parser) parse(pos int, s state, reps [4]uint32) {
	p.steps = p.steps[:0]
	p.nodes[0] = node{state: s, reps: reps}
	p.end = 0
	cur := 0
	last := p.weigh(pos, 0)
	for last.length == 0 {
		cur++
		p.arrive(cur)
		if cur == p.end || cur >= window {
			break
		}
		if p.nodes[cur+1].price <= p.nodes[cur].price+flat {
			p.find.skip(pos+cur, 1)
		} else {
			last = p.weigh(pos+cur, cur)
		}
	}
	if last.length > 0 {
		p.steps = append(p.steps, last)
		p.find.skip(pos+cur+1, int(last.length)-1)
	}
	for cur > 0 {
		n := &p.nodes[cur]
		p.steps = append(p.steps, n.step)
		if n.literal {
			p.steps = append(p.steps, step{0, 1})
			if n.first.length > 0 {
				p.steps = append(p.steps, n.first)
			}
		}
		cur -= n.covers()
	}
}

// arrive sets the state and distances after the node's steps.
func (p *parser) arrive(cur int) {
	n := &p.nodes[cur]
	from := &p.nodes[cur-n.covers()]
	n.state, n.reps = from.state, from.reps
	if n.literal {
		if n.first.length > 0 {
			n.state = after(n.state, &n.reps, n.first)
		}
		n.state = n.state.afterLiteral()
	}
	if n.step.dist == 0 {
		n.state = n.state.afterLiteral()
	} else {
		n.state = after(n.state, &n.reps, n.step)
	}
}

// after returns the state after a match, and puts its distance first.
func after(s state, reps *[4]uint32, m step) state {
	switch m.dist {
	case reps[0]:
		if m.length == 1 {
			return s.afterShortRep()
		}
		return s.afterRep()
	case reps[1]:
		reps[0], reps[1] = reps[1], reps[0]
		return s.afterRep()
	case reps[2]:
		reps[0], reps[1], reps[2] = reps[2], reps[0], reps[1]
		return s.afterRep()
	case reps[3]:
		reps[0], reps[1], reps[2], reps[3] = reps[3], reps[0], reps[1], reps[2]
		return s.afterRep()
	}
	reps[0], reps[1], reps[2], reps[3] = m.dist, reps[0], reps[1], reps[2]
	return s.afterMatch()
}

// weigh offers what can follow the node to those behind it, or returns a match
// that is good enough to be taken as it is.
func (p *parser) weigh(pos, cur int) step {
	n := &p.nodes[cur]
	matches := p.find.find(pos)
	reps := p.repLengths(pos, n)
	if s := obvious(n, matches, reps); s.length > 0 {
		return s
	}
	posState := pos & (posStates - 1)
	price := n.price + p.isMatch[n.state][posState].price1()
	p.offerByte(pos, cur, price)
	start := p.offerReps(pos, cur, price+p.isRep[n.state].price1(), reps)
	p.offerMatches(pos, cur, price+p.isRep[n.state].price0(), start, matches)
	return step{}
}

// repLengths returns how long the matches at the last distances are: 0 or more than one.
func (p *parser) repLengths(pos int, n *node) (lengths [4]int) {
	for i, dist := range n.reps {
		if was := pos - int(dist); was >= 0 && p.find.begins(was, pos) {
			lengths[i] = p.find.common(was, pos)
		}
	}
	return lengths
}

// obvious returns a match of the length nice or more, if there is one: at one of
// the last distances unless another is longer by two.
func obvious(n *node, matches []match, reps [4]int) step {
	best := 0
	for i, length := range reps {
		if length > reps[best] {
			best = i
		}
	}
	var longest match
	if len(matches) > 0 {
		longest = matches[len(matches)-1]
	}
	if reps[best] >= nice && reps[best]+1 >= int(longest.length) {
		return step{n.reps[best], int32(reps[best])}
	}
	if longest.length >= nice {
		return step(longest)
	}
	return step{}
}

// offerByte offers the ways to the next position: a literal, and a match of
// one byte at the last distance, of which price tells what it takes to say that
// a match follows.
func (p *parser) offerByte(pos, cur int, price uint32) {
	n := &p.nodes[cur]
	posState := pos & (posStates - 1)
	p.extend(cur + 1)
	data := p.find.data
	symbol := data[pos]
	expected, known := back(data, pos, n.reps[0])
	literal := n.price + p.isMatch[n.state][posState].price0() + literalPrice(p.literal(pos), n.state, symbol, expected)
	p.nodes[cur+1].offer(literal, step{0, 1})
	if symbol == expected && known {
		short := p.isRep[n.state].price1() + p.isRep0[n.state].price0() + p.isRep0Long[n.state][posState].price0()
		p.nodes[cur+1].offer(price+short, step{n.reps[0], 1})
	} else {
		p.offerMore(pos, cur, n.price, n.state, n.reps[0], step{})
	}
}

// offerReps offers the matches at the last distances: each length at the first
// that has it. It returns the next length.
func (p *parser) offerReps(pos, cur int, price uint32, reps [4]int) int {
	n := &p.nodes[cur]
	posState := pos & (posStates - 1)
	prices := &p.prices.rep[posState]
	start := minLen
	for i, length := range reps {
		if length < start {
			continue
		}
		p.extend(cur + length)
		price := price + p.repPrice(i, n.state, posState)
		for l := start; l <= length; l++ {
			p.nodes[cur+l].offer(price+prices[l], step{n.reps[i], int32(l)})
		}
		if i == 0 {
			p.offerMore(pos+length, cur+length, price+prices[length], n.state.afterRep(), n.reps[i], step{n.reps[i], int32(length)})
		}
		start = length + 1
	}
	return start
}

// offerMatches offers the other matches, of the length start and longer.
func (p *parser) offerMatches(pos, cur int, price uint32, start int, matches []match) {
	n := &p.nodes[cur]
	prices := &p.prices.match[pos&(posStates-1)]
	for _, m := range matches {
		length := int(m.length)
		if length < start {
			continue
		}
		p.extend(cur + length)
		var all uint32
		for l := start; l <= length; l++ {
			all = price + prices[l] + p.prices.distance(m.dist-1, l)
			p.nodes[cur+l].offer(all, step{m.dist, int32(l)})
		}
		p.offerMore(pos+length, cur+length, all, n.state.afterMatch(), m.dist, step(m))
		start = length + 1
	}
}

// offerMore offers what may follow the step, whose end is at pos and cur and
// has the state and the price: one other byte, and then the distance again.
func (p *parser) offerMore(pos, cur int, price uint32, s state, dist uint32, first step) {
	data := p.find.data
	was := pos - int(dist)
	if was < 0 || !p.find.begins(was+1, pos+1) {
		return
	}
	length := min(p.find.common(was+1, pos+1), nice)
	target := cur + 1 + length
	next := s.afterLiteral()
	posState := (pos + 1) & (posStates - 1)
	price += p.isMatch[s][pos&(posStates-1)].price0()
	price += p.isMatch[next][posState].price1() + p.isRep[next].price1()
	price += p.repPrice(0, next, posState) + p.prices.rep[posState][length]
	if target <= p.end && p.nodes[target].price <= price {
		return // the literal's price takes longest to find out
	}
	price += literalPrice(p.literal(pos), s, data[pos], data[was])
	p.extend(target)
	if n := &p.nodes[target]; price < n.price {
		n.price, n.step, n.literal, n.first = price, step{dist, int32(length)}, true, first
	}
}

// extend makes nodes up to end ones that can be offered a way to.
func (p *parser) extend(end int) {
	for p.end < end {
		p.end++
		p.nodes[p.end].price = infinite
	}
}

func (n *node) offer(price uint32, s step) {
	if price < n.price {
		n.price, n.step, n.literal = price, s, false
	}
}

// literal returns the probs of a literal at pos.
func (p *parser) literal(pos int) *[literalProbs]prob {
	return p.models.literal(p.find.data, pos)
}
