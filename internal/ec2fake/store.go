package ec2fake

import (
	"io"
	"os"
)

// A store keeps the bytes of a volume.
type store interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// newFile returns a store that is a file without a name, which takes room for
// what was written only.
func newFile(folder string) (store, error) {
	f, err := os.CreateTemp(folder, "ec2-fake-volume-*")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	return f, nil
}

// memory is a store that costs little while blocks are written: its pages are
// all there before. Pages that are made one by one, as a file's are, cost a
// seventh of what writing a snapshot does, and are no part of what a benchmark
// shall measure.
type memory struct{ bytes []byte }

func newMemory(size int64) store {
	m := &memory{make([]byte, size)}
	for at := 0; at < len(m.bytes); at += os.Getpagesize() {
		m.bytes[at] = 0
	}
	return m
}

func (m *memory) ReadAt(p []byte, off int64) (int, error)  { return copy(p, m.bytes[off:]), nil }
func (m *memory) WriteAt(p []byte, off int64) (int, error) { return copy(m.bytes[off:], p), nil }
func (m *memory) Close() error                             { return nil }
