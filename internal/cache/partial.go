package cache

import (
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Partial is a blob that is being filled. What is written is hashed on its way.
type Partial struct {
	file *os.File
	d    Digest
	size int64 // that it must have, negative if not known
	hash hash.Hash
	len  int64
	note string
}

// openPartial opens what an earlier fill left, or makes the file. The caller holds the blob's lock.
func openPartial(path string, d Digest, size int64) (*Partial, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	os.Chtimes(path, now, now) // it is in use, see Prune
	p := &Partial{file: f, d: d, size: size, hash: d.New()}
	st, err := f.Stat()
	switch {
	case err == nil && size >= 0 && st.Size() > size:
		err = p.Reset()
	case err == nil:
		if note, err := os.ReadFile(path + ".note"); err == nil {
			p.note = string(note)
		}
		p.len, err = io.Copy(p.hash, f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if size > 0 {
		// The room is set aside without changing the file's size: after a power
		// failure the size tells how far the data got.
		unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	}
	return p, nil
}

// Len is how many bytes are there already, left by an earlier, failed fill.
// Write appends to them.
func (p *Partial) Len() int64 { return p.len }

// Write appends data. It fails as soon as more bytes come than the blob's size; the error then wraps ErrBadDigest.
func (p *Partial) Write(data []byte) (int, error) {
	if p.size >= 0 && p.len+int64(len(data)) > p.size {
		return 0, fmt.Errorf("%w: there are more than %d bytes", ErrBadDigest, p.size)
	}
	n, err := p.file.Write(data)
	p.hash.Write(data[:n])
	p.len += int64(n)
	return n, err
}

// Reset throws away everything that was written, and the note.
func (p *Partial) Reset() error {
	p.hash.Reset()
	p.len, p.note = 0, ""
	os.Remove(p.file.Name() + ".note")
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	return err
}

// Note is what SetNote stored with the bytes that are there, "" if nothing.
func (p *Partial) Note() string { return p.note }

// SetNote stores text with the bytes, for the fill that continues after a
// failure: which version of the remote file they come from.
func (p *Partial) SetNote(text string) error {
	p.note = text
	return os.WriteFile(p.file.Name()+".note", []byte(text), 0o644)
}

// Check compares size and digest of what is there with what they must be. The error wraps ErrBadDigest.
func (p *Partial) Check() error {
	if p.size >= 0 && p.len != p.size {
		return fmt.Errorf("%w: it has %d bytes instead of %d", ErrBadDigest, p.len, p.size)
	}
	if got := hex.EncodeToString(p.hash.Sum(nil)); got != p.d.Hex {
		return fmt.Errorf("%w: it is %s:%s instead of %s", ErrBadDigest, p.d.Algorithm, got, p.d)
	}
	return nil
}

// commit moves the complete file to path. Nobody is meant to write to it any more.
func (p *Partial) commit(path string) error {
	if err := p.file.Chmod(0o444); err != nil {
		return err
	}
	os.Remove(p.file.Name() + ".note")
	return os.Rename(p.file.Name(), path)
}

// close keeps what is worth continuing.
func (p *Partial) close() {
	if st, err := os.Stat(p.file.Name()); err == nil && st.Size() == 0 {
		os.Remove(p.file.Name())
		os.Remove(p.file.Name() + ".note")
	}
	p.file.Close()
}
