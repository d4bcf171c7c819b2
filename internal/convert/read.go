package convert

import (
	"context"
	"fmt"
	"io"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/source"
	"golang.org/x/sync/errgroup"
)

// A span is what the writers get next: a block or a run of zeros.
type span struct {
	off   int64 // in the disk, bytes
	size  int64
	block *block.Block // nil: zeros

	// isRead is closed when block was read and holds what it should; err says
	// whether that worked. nil for a hole, of which nothing is read.
	isRead chan struct{}
	err    error
}

// A reader cuts a disk into spans.
type reader struct {
	disk    source.Disk
	pool    *block.Pool
	workers int
}

// run calls add for every span of the disk, in order. add takes over the
// block's one reference.
func (r *reader) run(ctx context.Context, add func(context.Context, *span) error) error {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan *span)
	spans := make(chan *span, 2*r.workers)
	group.Go(func() error {
		defer close(jobs)
		defer close(spans)
		return r.plan(ctx, jobs, spans)
	})
	for range r.workers {
		group.Go(func() error {
			for s := range jobs {
				s.err = r.read(s)
				close(s.isRead)
			}
			return nil
		})
	}
	group.Go(func() error {
		for s := range spans {
			if s.isRead != nil {
				<-s.isRead
			}
			if s.err != nil {
				return s.err
			}
			if err := add(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// plan sends every span to spans, in order, and those that have to be read to jobs as well.
func (r *reader) plan(ctx context.Context, jobs, spans chan<- *span) error {
	size := r.disk.Size()
	for off := int64(0); off < size; {
		start, end, err := r.disk.Extent(off)
		if err != nil {
			return err
		}
		if start < off || end < start || end > size || end == start && start < size {
			return fmt.Errorf("finding the data from byte %d of the disk: got bytes %d to %d", off, start, end)
		}
		if start < size {
			start &^= block.Size - 1
		}
		if start > off {
			if err := send(ctx, spans, &span{off: off, size: start - off}); err != nil {
				return err
			}
			off = start
		}
		for ; off < end; off += block.Size {
			s := &span{off: off, size: min(block.Size, size-off), isRead: make(chan struct{})}
			// Memory is taken in the disk's order: the span that the writers
			// wait for never waits for memory that later ones hold.
			if s.block, err = r.pool.Get(ctx, int(s.size)); err != nil {
				return err
			}
			if err := send(ctx, jobs, s); err != nil {
				return err
			}
			if err := send(ctx, spans, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func send[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read fills the span's block, or lets go of it if it is all zeros.
func (r *reader) read(s *span) error {
	n, err := r.disk.ReadAt(s.block.Data, s.off)
	if n < len(s.block.Data) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading %d bytes at byte %d of the disk: %w", len(s.block.Data), s.off, err)
	}
	if !s.block.Scan() {
		s.block.Release()
		s.block = nil
	}
	return nil
}
