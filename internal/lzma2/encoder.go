// Package lzma2 packs data as LZMA2: as "The .xz File Format" 1.1.0, 5.3.1
// (tukaani.org/xz/xz-file-format.txt) and the LZMA specification of the LZMA
// SDK (7-zip.org/sdk.html) describe it.
package lzma2

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// DictSize is how far back matches reach, in bytes, what a decoder needs for
// that, and how much can be packed at once. DictProperty is how headers say it.
const (
	DictSize     = 24 << 20
	DictProperty = 25 // 2 + 1 shifted by 25/2 + 11
)

const (
	chunkMax  = 1 << 21 // bytes that a chunk may hold
	packedMax = 1 << 16 // and take

	// A symbol has at most 22 bits that take up to six each, and 19 that take one.
	symbolMax = 32

	pricesEvery = 128 // matches between two looks at the prices
)

// A control begins a chunk and says what is forgotten before it.
type control byte

const (
	resetNothing control = 0x80 + iota<<5
	resetState
	resetProperties // and the state
	resetDict       // and all else

	storedFirst control = 1 // not packed, and the dictionary is forgotten
	stored      control = 2
)

// An Encoder packs data. It can be used again, by one goroutine at a time.
type Encoder struct {
	models models
	finder finder
	parser parser
	rc     rangeEncoder

	state   state
	reps    [4]uint32 // the distances of the last matches, the latest first
	matches int       // since the prices were updated
}

// Encode appends data, packed, to dst. If ctx is done, so is Encode, with its
// error. It is an error as well if there are more than DictSize bytes.
func (e *Encoder) Encode(ctx context.Context, dst, data []byte) ([]byte, error) {
	if len(data) > DictSize {
		return nil, fmt.Errorf("packing as LZMA2: %d bytes are more than %d", len(data), DictSize)
	}
	e.finder.reset(data)
	e.parser.models, e.parser.find = &e.models, &e.finder
	e.parser.steps = e.parser.steps[:0]
	reset := resetDict
	for pos := 0; pos < len(data); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if reset != resetNothing {
			e.reset()
		}
		n := e.chunk(pos)
		dst, reset = e.append(dst, data[pos:pos+n], reset)
		pos += n
	}
	return append(dst, 0), nil
}

func (e *Encoder) reset() {
	e.models.reset()
	e.state = 0
	e.reps = [4]uint32{1, 1, 1, 1}
	e.matches = pricesEvery
}

// chunk encodes a chunk that begins at pos and returns how many bytes it holds.
func (e *Encoder) chunk(pos int) int {
	e.rc.reset()
	begin := pos
	for pos < len(e.finder.data) && pos-begin <= chunkMax-maxLen && e.rc.size() <= packedMax-symbolMax {
		if len(e.parser.steps) == 0 {
			if e.matches >= pricesEvery {
				e.parser.prices.update(&e.models)
				e.matches = 0
			}
			e.parser.parse(pos, e.state, e.reps)
		}
		last := len(e.parser.steps) - 1
		s := e.parser.steps[last]
		e.parser.steps = e.parser.steps[:last]
		e.step(pos, s)
		pos += int(s.length)
	}
	e.rc.flush()
	return pos - begin
}

// append appends the chunk that was encoded, or its data as they are where that
// takes less, and returns what has to be reset before the next.
func (e *Encoder) append(dst, data []byte, reset control) ([]byte, control) {
	size, packed := len(data)-1, e.rc.out
	if len(packed)+3 < len(data) { // the header of a packed one is longer
		dst = append(dst, byte(reset)|byte(size>>16))
		dst = binary.BigEndian.AppendUint16(dst, uint16(size))
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(packed)-1))
		if reset >= resetProperties {
			dst = append(dst, properties)
		}
		return append(dst, packed...), resetNothing
	}
	kind, next := stored, max(reset, resetState)
	if reset == resetDict {
		kind, next = storedFirst, resetProperties
	}
	dst = append(dst, byte(kind))
	dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	return append(dst, data...), next
}

// step encodes a step.
func (e *Encoder) step(pos int, s step) {
	m, rc := &e.models, &e.rc
	posState := pos & (posStates - 1)
	isMatch := &m.isMatch[e.state][posState]
	if s.dist == 0 || s.length == 1 && s.dist != e.reps[0] {
		data := e.finder.data
		expected, _ := back(data, pos, e.reps[0])
		rc.bit(isMatch, 0)
		rc.literal(m.literal(data, pos), e.state, data[pos], expected)
		e.state = e.state.afterLiteral()
		return
	}
	e.matches++
	rc.bit(isMatch, 1)
	if rep := slices.Index(e.reps[:], s.dist); rep < 0 {
		rc.bit(&m.isRep[e.state], 0)
		rc.length(&m.matchLen, int(s.length), posState)
		rc.distance(m, s.dist-1, int(s.length))
	} else {
		rc.bit(&m.isRep[e.state], 1)
		rc.rep(m, e.state, posState, rep, int(s.length))
	}
	e.state = after(e.state, &e.reps, s)
}
