package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// begin makes this Cache's session: a folder for its temporary files with a
// lock that is held until Close. Its time is when the session began.
func (c *Cache) begin() error {
	leave, err := c.enter(unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer leave()
	dir, err := os.MkdirTemp(c.path("tmp"), "")
	if err != nil {
		return err
	}
	c.session, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return flock(c.session, unix.LOCK_EX|unix.LOCK_NB)
}

// sweep removes what sessions left behind that ended without Close.
func (c *Cache) sweep(remove func(string) error) error {
	_, dead, err := c.sessions()
	for _, dir := range dead {
		remove(dir) // what cannot be removed now, such as another user's files, is left for Prune
	}
	return err
}

// sessions returns when the oldest session that is still open began, and the
// folders of those that ended without Close.
func (c *Cache) sessions() (oldest time.Time, dead []string, err error) {
	leave, err := c.enter(unix.LOCK_EX) // no session is half-made now
	if err != nil {
		return oldest, nil, err
	}
	defer leave()
	dirs, err := filepath.Glob(c.path("tmp", "*"))
	for _, dir := range dirs {
		f, err := os.Open(filepath.Join(dir, "lock"))
		if errors.Is(err, fs.ErrNotExist) {
			dead = append(dead, dir)
			continue
		} else if err != nil {
			continue // another user's
		}
		st, statErr := f.Stat()
		if flock(f, unix.LOCK_SH|unix.LOCK_NB) == nil {
			dead = append(dead, dir)
		} else if statErr == nil && (oldest.IsZero() || st.ModTime().Before(oldest)) {
			oldest = st.ModTime()
		}
		f.Close()
	}
	return oldest, dead, err
}

// enter passes the gate, shared (unix.LOCK_SH) to say that a thing is being
// used, alone (unix.LOCK_EX) to remove one. Looking a thing up and marking it
// used are then one step for whoever removes.
func (c *Cache) enter(how int) (leave func(), err error) {
	f, err := os.OpenFile(c.path("gate"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// use marks the file or folder at path as used now and reports whether it is there.
func (c *Cache) use(path string) bool {
	leave, err := c.enter(unix.LOCK_SH)
	if err != nil {
		return false
	}
	defer leave()
	now := time.Now()
	return os.Chtimes(path, now, now) == nil
}

// lock waits until this call alone makes the thing called name.
func (c *Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	path := c.path("locks", name)
	start, said := time.Now(), false
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		switch err := flock(f, unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil && isAt(f, path):
			return func() { os.Remove(path); f.Close() }, nil
		case err == nil: // its last holder removed it meanwhile
			f.Close()
			continue
		case err != unix.EWOULDBLOCK:
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		f.Close()
		if !said && time.Since(start) > time.Second {
			said = true
			c.Report.Printf("waiting for another build that is making %s", name)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// isAt reports whether the file at path is still f.
func isAt(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}
