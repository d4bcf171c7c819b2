package rpm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// The functions here create one file each, by its real path. The folder is
// open and what is in it is never followed, so that nothing can lead elsewhere.

// place prepares for creating something at a real path: make is called with
// the folder and the name, and once more after what is there, if it is not a folder, was removed.
func (w *worker) place(real string, make func(dir int, name string) error) error {
	dir, err := w.folder(path.Dir(real))
	if err != nil {
		return err
	}
	name := path.Base(real)
	err = make(dir, name)
	if errors.Is(err, unix.EEXIST) {
		if err = unix.Unlinkat(dir, name, 0); err == nil {
			err = make(dir, name)
		} else if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
			err = errors.New("there is a folder in its place")
		}
	}
	return err
}

// create makes a regular file and all that belongs to it.
func (u *unpacking) create(real string, c *cpioReader, f *File) error {
	var out *os.File
	err := u.place(real, func(dir int, name string) error {
		fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err == nil {
			out = os.NewFile(uintptr(fd), real)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = u.copy(out, c, f)
	if err == nil {
		err = u.dress(out, f)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return u.setTime(real, f)
}

// dress gives a regular file its owner, mode and capabilities, in this order:
// a new owner takes away set-uid bits and capabilities.
func (w *worker) dress(out *os.File, f *File) error {
	fd := int(out.Fd())
	o := w.plan.options
	if o.Owner != nil {
		uid, gid := o.Owner(f.User, f.Group)
		if err := unix.Fchown(fd, uid, gid); err != nil {
			return fmt.Errorf("giving it to %s:%s: %w", f.User, f.Group, err)
		}
	}
	if err := unix.Fchmod(fd, w.mode(f)); err != nil {
		return fmt.Errorf("setting its mode: %w", err)
	}
	if o.Capabilities && f.Caps != "" {
		value, err := capabilities(f.Caps)
		if err != nil {
			return malformed("file list", err)
		}
		if err := unix.Fsetxattr(fd, "security.capability", value, 0); err != nil {
			return fmt.Errorf("setting its capabilities: %w", err)
		}
	}
	return nil
}

// mode is the permissions that a file gets.
func (w *worker) mode(f *File) uint32 {
	const setID = 0o6000
	if w.plan.options.Owner == nil {
		return f.Mode & 0o7777 &^ setID
	}
	return f.Mode & 0o7777
}

// setTime sets a file's modification time.
func (w *worker) setTime(real string, f *File) error {
	dir, err := w.folder(path.Dir(real))
	if err != nil {
		return err
	}
	t := unix.Timespec{Sec: f.MTime}
	return unix.UtimesNanoAt(dir, path.Base(real), []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

// setOwner sets the owner of something that is no regular file.
func (w *worker) setOwner(real string, f *File) error {
	if w.plan.options.Owner == nil {
		return nil
	}
	dir, err := w.folder(path.Dir(real))
	if err != nil {
		return err
	}
	uid, gid := w.plan.options.Owner(f.User, f.Group)
	if err := unix.Fchownat(dir, path.Base(real), uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("giving it to %s:%s: %w", f.User, f.Group, err)
	}
	return nil
}

// link makes a hard link.
func (u *unpacking) link(from, to string) error {
	// The folder of the first may be forgotten when that of the second is opened.
	source, err := u.plan.root.OpenFile(relative(path.Dir(from)), unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer source.Close()
	return u.place(to, func(dir int, name string) error {
		return unix.Linkat(int(source.Fd()), path.Base(from), dir, name, 0)
	})
}

// symlink makes a symbolic link, whose target the archive has as well.
func (u *unpacking) symlink(c *cpioReader, e *cpioEntry, i int) error {
	f := &u.files[i]
	if e.Size != int64(len(f.Link)) {
		return malformed("payload", fmt.Errorf("its target is not %q", f.Link))
	}
	target, err := io.ReadAll(c)
	if err != nil {
		return malformed("payload", err)
	}
	if string(target) != f.Link {
		return malformed("payload", fmt.Errorf("its target is %q, in the header %q", target, f.Link))
	}
	real, ok := u.paths[i]
	if !ok {
		return nil
	}
	err = u.place(real, func(dir int, name string) error { return unix.Symlinkat(f.Link, dir, name) })
	if err != nil {
		return err
	}
	if err := u.setOwner(real, f); err != nil {
		return err
	}
	return u.setTime(real, f)
}

// fifo makes a named pipe.
func (u *unpacking) fifo(real string, f *File) error {
	err := u.place(real, func(dir int, name string) error { return unix.Mknodat(dir, name, unix.S_IFIFO|0o600, 0) })
	if err != nil {
		return err
	}
	if err := u.setOwner(real, f); err != nil {
		return err
	}
	if err := u.plan.root.Chmod(relative(real), fs.FileMode(u.mode(f)&0o777)); err != nil {
		return err
	}
	return u.setTime(real, f)
}
