package cache

import "errors"

// A Partial is a blob that is being filled. What is written is hashed on its way.
type Partial struct {
	note string
}

// Len is how many bytes are there already, left by an earlier, failed fill.
// Write appends to them.
func (p *Partial) Len() int64 { return 0 }

// Write appends data. It fails as soon as more bytes come than the blob's size.
func (p *Partial) Write(data []byte) (int, error) { return 0, errors.ErrUnsupported }

// Reset throws away everything that was written, and the note.
func (p *Partial) Reset() error { return errors.ErrUnsupported }

// Note is what SetNote stored with the bytes that are there, "" if nothing.
func (p *Partial) Note() string { return p.note }

// SetNote stores text with the bytes, for the fill that continues after a
// failure: which version of the remote file they come from.
func (p *Partial) SetNote(text string) error { return errors.ErrUnsupported }
