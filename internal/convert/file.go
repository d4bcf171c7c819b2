package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/pending"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// writeBack is how much is written before the kernel is asked to put it on the
// disk, in bytes: the sync at the end then has little left to wait for.
const writeBack = 16 << 20

// A file is one that is being made. It is seen under its name only after it was published.
type file struct {
	path    string
	pending *pending.File
	size    int64     // bytes so far, with the holes
	sum     hash.Hash // of what was written so far; nil if it has to be read again for that
	started int64     // up to where the kernel was asked to write back
}

// createFile begins a file.
func createFile(path string) (*file, error) {
	f, err := pending.Create(path, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, cause(err))
	}
	return &file{path: path, pending: f, sum: sha256.New()}, nil
}

// cause takes the name of the temporary file out of a system error.
func cause(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		err = p.Err
	}
	if errors.Is(err, unix.ENOSPC) {
		err = hint.Wrap(err, "make room, or choose another folder with --output")
	}
	return err
}

// allocate makes the file n bytes long, all of them a hole, to find out at once
// whether the file system has files of that size.
func (f *file) allocate(n int64) error { return f.failed(f.pending.Truncate(n)) }

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func (f *file) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("writing %s: %w", f.path, cause(err))
}

// Write appends p.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.pending.WriteAt(p, f.size)
	if f.sum != nil {
		f.sum.Write(p[:n])
	}
	f.size += int64(n)
	if f.size-f.started >= writeBack {
		// Only advice: what goes wrong here shows in the sync at the end.
		unix.SyncFileRange(int(f.pending.Fd()), f.started, f.size-f.started, unix.SYNC_FILE_RANGE_WRITE)
		f.started = f.size
	}
	return n, f.failed(err)
}

// Skip appends a hole of n bytes.
func (f *file) Skip(n int64) error {
	if n > 0 {
		f.size += n
		f.sum = nil
	}
	return nil
}

// WriteAt writes p over what is there.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.pending.WriteAt(p, off)
	f.sum = nil
	return n, f.failed(err)
}

// ReadAt reads what was written.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.pending.ReadAt(p, off)
	if err != io.EOF {
		err = f.failed(err)
	}
	return n, err
}

// sync brings the file to the disk and returns its SHA-256 as hex.
func (f *file) sync() (string, error) {
	if err := f.pending.Truncate(f.size); err != nil { // it may end in a hole
		return "", f.failed(err)
	}
	var group errgroup.Group
	group.Go(f.pending.Sync)
	group.Go(func() error {
		if f.sum != nil {
			return nil
		}
		f.sum = sha256.New()
		_, err := io.Copy(f.sum, io.NewSectionReader(f.pending, 0, f.size))
		return err
	})
	if err := group.Wait(); err != nil {
		return "", f.failed(err)
	}
	return hex.EncodeToString(f.sum.Sum(nil)), nil
}

// publish gives the file, which must have been synced, its name.
func (f *file) publish() error {
	if err := f.pending.CloseAtomicallyReplace(); err != nil {
		return f.failed(err)
	}
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// discard removes the file if it was not published.
func (f *file) discard() { f.pending.Cleanup() }

// A section is the part of a file that holds a disk, from off on.
type section struct {
	*file
	off int64
}

// sections is one disk that is written to several files.
type sections []section

func (s sections) Write(p []byte) (int, error) {
	for _, to := range s {
		if n, err := to.Write(p); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func (s sections) Skip(n int64) error {
	for _, to := range s {
		if err := to.Skip(n); err != nil {
			return err
		}
	}
	return nil
}

func (s sections) WriteAt(p []byte, off int64) (int, error) {
	for _, to := range s {
		if n, err := to.WriteAt(p, to.off+off); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func (s sections) ReadAt(p []byte, off int64) (int, error) { return s[0].ReadAt(p, s[0].off+off) }
