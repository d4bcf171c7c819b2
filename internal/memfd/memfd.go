// Package memfd makes files that are in memory only (memfd_create(2)).
package memfd

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// New returns an open file without a name in any folder that holds data, at
// its beginning. Another program that inherits it as descriptor N reads it
// there, or opens it as /proc/self/fd/N. It is gone when nobody has it open.
func New(name string, data io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err = io.Copy(f, data); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
