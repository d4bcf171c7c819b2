package repo

import "io"

// How much may be unpacked that is not yet parsed: chunks, and bytes of each.
const (
	chunks    = 8
	chunkSize = 256 << 10
)

// parseAhead parses on one processor what is unpacked and hashed on another,
// and reads to the end: a parser that is content stops at what it needs.
func parseAhead(v *verified, parse func(io.Reader) error) error {
	a := &ahead{full: make(chan chunk, chunks), empty: make(chan []byte, chunks), stop: make(chan struct{})}
	for range chunks {
		a.empty <- make([]byte, chunkSize)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.fill(v)
	}()
	err := parse(a)
	if err == nil {
		_, err = io.Copy(io.Discard, a)
	}
	close(a.stop)
	<-done
	return err
}

type chunk struct {
	data []byte
	err  error // after the data
}

// ahead is a reader of what another goroutine has read.
type ahead struct {
	full  chan chunk
	empty chan []byte
	stop  chan struct{}

	now  chunk
	left []byte // of now, that is not yet read
}

func (a *ahead) fill(r io.Reader) {
	for {
		select {
		case <-a.stop:
			return
		case b := <-a.empty:
			var n int
			var err error
			for n < len(b) && err == nil { // io.ReadFull takes any end for a truncation
				var more int
				more, err = r.Read(b[n:])
				n += more
			}
			a.full <- chunk{b[:n], err} // there is room for all
			if err != nil {
				return
			}
		}
	}
}

func (a *ahead) Read(b []byte) (int, error) {
	for len(a.left) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.empty <- a.now.data[:chunkSize]
		}
		a.now = <-a.full
		a.left = a.now.data
	}
	n := copy(b, a.left)
	a.left = a.left[n:]
	return n, nil
}
