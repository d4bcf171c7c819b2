// Package pending makes files that are seen under their names only when they
// are complete, and folders for the time of a run. What a run that was killed
// left of either is removed by the next: whoever works on it has it locked.
package pending

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// A File is one that is being made. It lies hidden beside its place until it
// gets its name by CloseAtomicallyReplace, or is removed by Cleanup.
type File struct {
	*renameio.PendingFile
	held *os.File // a second descriptor, which keeps the lock until there is the name
}

// Create begins a file.
func Create(path string, perm fs.FileMode) (*File, error) {
	dir, name := filepath.Split(path)
	dir = filepath.Join(dir, ".")
	removeAbandoned(dir, "."+name)
	for {
		f, err := create(path, dir, perm)
		if err != errGone {
			return f, err
		}
	}
}

func create(path, dir string, perm fs.FileMode) (*File, error) {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithPermissions(perm))
	if err != nil {
		return nil, err
	}
	if err := lock(f.File); err != nil {
		f.Cleanup()
		return nil, err
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		f.Cleanup()
		return nil, err
	}
	return &File{f, os.NewFile(uintptr(fd), f.Name())}, nil
}

// CloseAtomicallyReplace syncs the file and puts it in place of what has its name.
func (f *File) CloseAtomicallyReplace() error {
	defer f.held.Close()
	return f.PendingFile.CloseAtomicallyReplace()
}

// Cleanup removes the file, unless it has its name already.
func (f *File) Cleanup() error {
	defer f.held.Close()
	return f.PendingFile.Cleanup()
}

// WriteFile makes a file of data, synced to the disk, in place of what has its name.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// A Folder is one for temporary files.
type Folder struct {
	Path string
	held *os.File // keeps it locked
}

// NewFolder makes a folder among the system's temporary files. Its name is
// prefix, by which what was abandoned is known, and a number.
func NewFolder(prefix string) (*Folder, error) {
	removeAbandoned(os.TempDir(), prefix)
	for {
		f, err := newFolder(prefix)
		if err != errGone {
			return f, err
		}
	}
}

func newFolder(prefix string) (*Folder, error) {
	path, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	held, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errGone
	} else if err != nil {
		return nil, err
	}
	f := &Folder{path, held}
	if err := lock(held); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close removes the folder and all that is in it.
func (f *Folder) Close() error {
	defer f.held.Close()
	return os.RemoveAll(f.Path)
}

// errGone says that another run took what was just made, and nobody had locked
// yet, for abandoned.
var errGone = errors.New("it was removed")

// lock locks f, unless its file system knows no locks.
func lock(f *os.File) error {
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
	case unix.EWOULDBLOCK:
		return errGone
	case unix.EOPNOTSUPP, unix.ENOLCK:
		return nil
	default:
		return fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Nlink == 0 {
		return errGone
	}
	return nil
}

// number matches what is added to a name for the time of writing.
var number = regexp.MustCompile(`^[0-9]{6,}$`)

// removeAbandoned removes from dir what has the prefix and a number as its name
// and is locked by nobody. That it cannot is no error: making the new one says
// what is wrong with the folder.
func removeAbandoned(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || !number.MatchString(suffix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		f, err := os.OpenFile(path, unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(path)
		}
		f.Close()
	}
}
