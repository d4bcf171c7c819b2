// Package block is what flows from a disk's reader to the writers of its
// formats: blocks of one mebibyte, each read once and shared by all writers,
// and pieces, which are as many blocks as a format compresses at a time.
package block

import (
	"bytes"
	"context"
	"io"
	"sync/atomic"
)

const (
	// Size is the length of every block but a disk's last, in bytes.
	Size = 1 << 20
	// Page is the granularity at which the zeros within a block are known, in bytes.
	Page = 4 << 10
)

// Zeros is a page of them, not to be written to.
var Zeros [Page]byte

// A Block is one mebibyte of a disk that does not consist of zeros alone.
// It is not changed any more once it has been handed on.
type Block struct {
	Data []byte // Size bytes, at the end of a disk fewer

	zero [Size / Page / 64]uint64 // bit i: page i is all zero
	refs atomic.Int32
	home *Pool
}

// Scan finds the pages of zeros in Data and reports whether there is anything else.
func (b *Block) Scan() bool {
	b.zero = [len(b.zero)]uint64{}
	found := false
	for i, off := 0, 0; off < len(b.Data); i, off = i+1, off+Page {
		page := b.Data[off:min(off+Page, len(b.Data))]
		if bytes.Equal(page, Zeros[:len(page)]) {
			b.zero[i/64] |= 1 << (i % 64)
		} else {
			found = true
		}
	}
	return found
}

// Zero reports whether the pages that Data[from:to] touches are all zero,
// as found by Scan. from must be less than to.
func (b *Block) Zero(from, to int) bool {
	for i := from / Page; i <= (to-1)/Page; i++ {
		if b.zero[i/64]&(1<<(i%64)) == 0 {
			return false
		}
	}
	return true
}

// Run returns the length of the run of pages from off, a multiple of Page, on
// that are all zeros or all not, in bytes, and which of the two they are.
func (b *Block) Run(off int) (n int, zero bool) {
	zero = b.Zero(off, off+1)
	for n = Page; off+n < len(b.Data) && b.Zero(off+n, off+n+1) == zero; {
		n += Page
	}
	return min(n, len(b.Data)-off), zero
}

// Retain adds n to the number of times that the block must be released.
func (b *Block) Retain(n int) { b.refs.Add(int32(n)) }

// Release gives the block back to its pool when all its holders did so.
func (b *Block) Release() {
	if b.refs.Add(-1) == 0 {
		b.home.free <- b
	}
}

// A Pool bounds the memory that blocks take: Get waits when all are in use.
type Pool struct{ free chan *Block }

// NewPool returns a pool of n blocks. Their memory is allocated on first use.
func NewPool(n int) *Pool {
	p := &Pool{free: make(chan *Block, n)}
	for range n {
		p.free <- &Block{home: p}
	}
	return p
}

// Get returns a block with one holder and size bytes of undefined Data.
func (p *Pool) Get(ctx context.Context, size int) (*Block, error) {
	select {
	case b := <-p.free:
		if b.Data == nil {
			b.Data = make([]byte, Size)
		}
		b.Data = b.Data[:size]
		b.refs.Store(1)
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A Piece is a run of a disk that a format encodes on its own.
type Piece struct {
	Offset int64    // in the disk, bytes
	Size   int      // bytes
	Blocks []*Block // in order, each Size bytes of the disk, the last maybe fewer; nil is zeros

	// What the format's Encode leaves for its Append. The memory of both is
	// used again for other pieces.
	Out  []byte
	Ends []int // where the parts of Out end, if the format makes several
}

// Part returns the disk's bytes from off to off+n, counted from the start of
// the piece, or nil if they are zeros. The range must lie within one block
// unless buf, which then takes the bytes, holds n.
func (p *Piece) Part(off, n int, buf []byte) []byte {
	i, at := off/Size, off%Size
	if at+n <= Size {
		if b := p.Blocks[i]; b != nil && !b.Zero(at, at+n) {
			return b.Data[at : at+n]
		}
		return nil
	}
	data := false
	for done := 0; done < n; {
		part := p.Part(off+done, min(n-done, Size-(off+done)%Size), nil)
		size := min(n-done, Size-(off+done)%Size)
		if part == nil {
			clear(buf[done : done+size])
		} else {
			copy(buf[done:], part)
			data = true
		}
		done += size
	}
	if !data {
		return nil
	}
	return buf[:n]
}

// Release releases the piece's blocks.
func (p *Piece) Release() {
	for i, b := range p.Blocks {
		if b != nil {
			b.Release()
		}
		p.Blocks[i] = nil
	}
	p.Blocks = p.Blocks[:0]
}

// IsZero reports whether the piece has no data.
func (p *Piece) IsZero() bool {
	for _, b := range p.Blocks {
		if b != nil {
			return false
		}
	}
	return true
}

// Reader reads the piece's bytes.
func (p *Piece) Reader() io.Reader { return &pieceReader{piece: p} }

type pieceReader struct {
	piece *Piece
	at    int
}

func (r *pieceReader) Read(buf []byte) (int, error) {
	left := r.piece.Size - r.at
	if left == 0 {
		return 0, io.EOF
	}
	b, off := r.piece.Blocks[r.at/Size], r.at%Size
	n := min(len(buf), left, Size-off)
	if b == nil {
		clear(buf[:n])
	} else {
		copy(buf[:n], b.Data[off:])
	}
	r.at += n
	return n, nil
}
