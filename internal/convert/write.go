package convert

import (
	"context"
	"sync"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/report"
)

// An Encoder makes a file of one format out of a disk.
type Encoder interface {
	// Blocks is how many blocks are encoded at a time.
	Blocks() int
	// Encode does a piece's heavy work and leaves the result in it. It is
	// called for several pieces at a time, and may release their blocks.
	Encode(*block.Piece) error
	// Append adds an encoded piece to the file, and Zeros a run of zeros of n
	// bytes, which is as long as several pieces or reaches the disk's end.
	// They are called by one goroutine, in the disk's order.
	Append(*block.Piece) error
	Zeros(n int64) error
	// Close completes the file.
	Close() error
}

// A lane takes the disk through one encoder.
type lane struct {
	ctx   context.Context // of the whole run; encoding ends with it
	enc   Encoder
	tasks []*report.Task
	slots chan struct{} // one is held while encoding; lanes share them
	queue chan *work    // in the disk's order
	free  chan *block.Piece

	piece    *block.Piece // being put together
	read     int64        // bytes of it that count as progress
	encoding sync.WaitGroup
}

// work is a piece that is being encoded, or a run of zeros.
type work struct {
	piece *block.Piece // nil: zeros
	zeros int64
	read  int64

	encoded chan struct{}
	err     error
}

// newLane returns a lane that has at most depth pieces under way.
func newLane(ctx context.Context, enc Encoder, slots chan struct{}, depth int) *lane {
	l := &lane{ctx: ctx, enc: enc, slots: slots, queue: make(chan *work, depth), free: make(chan *block.Piece, depth+2)}
	for range cap(l.free) {
		l.free <- new(block.Piece)
	}
	return l
}

// add takes the disk's next span. The lane gets a reference to its block.
func (l *lane) add(ctx context.Context, s *span) error {
	off, size := s.off, s.size
	whole := int64(l.enc.Blocks()) * block.Size
	read := int64(0)
	if s.isRead != nil {
		read = s.size
	}
	for size > 0 {
		if l.piece == nil && s.block == nil && off%whole == 0 && size >= whole {
			n := size / whole * whole
			if err := send(ctx, l.queue, &work{zeros: n, read: read}); err != nil {
				return err
			}
			off, size, read = off+n, size-n, 0
			continue
		}
		if l.piece == nil {
			select {
			case l.piece = <-l.free:
			case <-ctx.Done():
				return ctx.Err()
			}
			l.piece.Offset, l.piece.Size = off, 0
		}
		n := min(size, block.Size)
		l.piece.Blocks = append(l.piece.Blocks, s.block)
		l.piece.Size += int(n)
		l.read += read
		off, size, read = off+n, size-n, 0
		if off%whole == 0 {
			if err := l.start(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// start begins to encode the piece that was put together.
func (l *lane) start(ctx context.Context) error {
	w := &work{piece: l.piece, read: l.read, encoded: make(chan struct{})}
	l.piece, l.read = nil, 0
	if w.piece.IsZero() {
		w.zeros = int64(w.piece.Size)
		w.piece.Release()
		l.free <- w.piece
		w.piece = nil
		return send(ctx, l.queue, w)
	}
	if err := send(ctx, l.queue, w); err != nil {
		return err
	}
	l.encoding.Go(func() {
		defer close(w.encoded)
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
		if w.err = l.ctx.Err(); w.err == nil {
			w.err = l.enc.Encode(w.piece)
		}
	})
	return nil
}

// end says that the disk has no more spans.
func (l *lane) end(ctx context.Context) error {
	if l.piece != nil {
		if err := l.start(ctx); err != nil {
			return err
		}
	}
	close(l.queue)
	return nil
}

// run appends what was encoded, until the disk's end.
func (l *lane) run() error {
	for {
		select {
		case w, ok := <-l.queue:
			if !ok {
				return l.enc.Close()
			}
			if err := l.append(w); err != nil {
				return err
			}
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

func (l *lane) append(w *work) error {
	if w.piece != nil {
		<-w.encoded
	}
	for _, t := range l.tasks {
		t.Add(w.read)
	}
	if w.piece == nil {
		return l.enc.Zeros(w.zeros)
	}
	if w.err != nil {
		return w.err
	}
	if err := l.enc.Append(w.piece); err != nil {
		return err
	}
	w.piece.Release()
	l.free <- w.piece
	return nil
}
