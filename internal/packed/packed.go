// Package packed reads disks that are compressed in parts, each on its own,
// such as the blocks of an .xz or the frames of a .zst file: several at a time
// where they are small, and as a stream where they are not.
package packed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A Part is a piece of the disk.
type Part struct {
	Off  int64 // in the disk, bytes
	Size int64 // in the disk, bytes
	// Open returns a reader of the part's bytes, which fails where they are not
	// as they were packed, and ends after the last.
	Open func() (io.ReadCloser, error)
}

// maxWhole is the largest part that is kept in memory as a whole, in bytes.
const maxWhole = 32 << 20

// A Disk is read by one goroutine at a time, and best from its start to its end.
type Disk struct {
	parts []Part
	size  int64
	ahead int // parts that are unpacked at a time

	cancel context.CancelFunc
	ctx    context.Context
	window map[int]*whole
	free   []*whole // whose memory can be used again
	busy   sync.WaitGroup

	stream io.ReadCloser // of the part at, from off on; nil if none is open
	at     int
	off    int64
}

// whole is a part in memory.
type whole struct {
	ready chan struct{}
	data  []byte
	err   error
}

// New returns the disk of parts that follow each other. It unpacks ahead of
// them at a time.
func New(parts []Part, ahead int) *Disk {
	d := &Disk{parts: parts, ahead: ahead, window: map[int]*whole{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if n := len(parts); n > 0 {
		d.size = parts[n-1].Off + parts[n-1].Size
	}
	return d
}

// Size is the disk's, in bytes.
func (d *Disk) Size() int64 { return d.size }

// Extent says that everything may be data.
func (d *Disk) Extent(off int64) (start, end int64, err error) { return off, d.size, nil }

// Ascending says that it is to be read in order.
func (d *Disk) Ascending() {}

// Close ends what is still being unpacked.
func (d *Disk) Close() error {
	d.cancel()
	d.busy.Wait()
	if d.stream != nil {
		return d.stream.Close()
	}
	return nil
}

// ReadAt reads the disk.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for i := d.find(off); i < len(d.parts) && done < len(p); i++ {
		part := d.parts[i]
		from := off + int64(done) - part.Off
		n := int(min(part.Size-from, int64(len(p)-done)))
		if err := d.read(p[done:done+n], i, from); err != nil {
			return done, fmt.Errorf("unpacking the part at byte %d of the disk: %w", part.Off, err)
		}
		done += n
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// find returns the part that holds the byte at off.
func (d *Disk) find(off int64) int {
	low, high := 0, len(d.parts)
	for low < high {
		if middle := (low + high) / 2; d.parts[middle].Off+d.parts[middle].Size <= off {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// read reads bytes of the part i.
func (d *Disk) read(p []byte, i int, from int64) error {
	if d.parts[i].Size > maxWhole {
		return d.readStream(p, i, from)
	}
	for old := range d.window {
		if old < i || old >= i+d.ahead {
			d.free = append(d.free, d.window[old])
			delete(d.window, old)
		}
	}
	for next := i; next < min(i+d.ahead, len(d.parts)); next++ {
		if d.window[next] == nil && d.parts[next].Size <= maxWhole {
			d.window[next] = d.start(next)
		}
	}
	w := d.window[i]
	<-w.ready
	if w.err == nil {
		copy(p, w.data[from:])
	}
	return w.err
}

// start begins to unpack the part i.
func (d *Disk) start(i int) *whole {
	w := &whole{ready: make(chan struct{})}
	if n := len(d.free); n > 0 {
		old := d.free[n-1]
		d.free = d.free[:n-1]
		<-old.ready
		w.data = old.data
	}
	d.busy.Go(func() {
		defer close(w.ready)
		if w.err = d.ctx.Err(); w.err == nil {
			w.err = w.unpack(d.parts[i])
		}
	})
	return w
}

func (w *whole) unpack(part Part) error {
	r, err := part.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if int64(cap(w.data)) < part.Size {
		w.data = make([]byte, part.Size)
	}
	w.data = w.data[:part.Size]
	if _, err := io.ReadFull(r, w.data); err != nil {
		return short(err)
	}
	return atEnd(r)
}

// atEnd checks that nothing follows, which is also when a reader verifies its checksum.
func atEnd(r io.Reader) error {
	var more [1]byte
	if n, err := io.ReadFull(r, more[:]); n > 0 {
		return errors.New("it unpacks to more bytes than it should")
	} else if err != io.EOF {
		return err
	}
	return nil
}

// readStream reads bytes of the part i, which is not kept in memory.
func (d *Disk) readStream(p []byte, i int, from int64) error {
	if d.stream == nil || d.at != i || d.off > from {
		if d.stream != nil {
			d.stream.Close()
			d.stream = nil
		}
		r, err := d.parts[i].Open()
		if err != nil {
			return err
		}
		d.stream, d.at, d.off = r, i, 0
	}
	if _, err := io.CopyN(io.Discard, d.stream, from-d.off); err != nil {
		return short(err)
	}
	n, err := io.ReadFull(d.stream, p)
	d.off = from + int64(n)
	if err != nil {
		return short(err)
	}
	if d.off == d.parts[i].Size {
		return atEnd(d.stream)
	}
	return nil
}

// short says what it means that a reader ended.
func short(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends before it should")
	}
	return err
}
