package snapshot

import (
	"bytes"
	"errors"
	"sync"
)

// A body is what an attempt sends. Nobody reads from the block after its
// Close, when it may hold other bytes: the transport may go on reading for a
// moment after an attempt was given up.
type body struct {
	mu sync.Mutex
	r  *bytes.Reader // nil when it is closed
}

func newBody(data []byte) *body { return &body{r: bytes.NewReader(data)} }

var errClosed = errors.New("the attempt is over")

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errClosed
	}
	return b.r.Read(p)
}

// Seek is how the SDK finds out the length.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errClosed
	}
	return b.r.Seek(offset, whence)
}

func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
}
