package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Make returns the path of the entry of that kind and key, after having make
// create it, a file or a folder, at the path it is given, if it was not there.
// If make returns an error, what it created is removed and Make returns the error.
// Only one process makes an entry at a time; the others wait and use what it made.
//
// kind is a word such as "buildroot"; key is hex, the digest of everything
// that the entry depends on (see [Key]). The entry is meant to be read only. It
// stays in place until Close.
//
// An entry that a power failure may have damaged counts as not there.
func (c *Cache) Make(ctx context.Context, kind, key string, make func(path string) error) (path string, err error) {
	if err := checkName(kind, key); err != nil {
		return "", err
	}
	if path, ok := c.Entry(kind, key); ok {
		return path, nil
	}
	unlock, err := c.lock(ctx, kind+"-"+key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if path, ok := c.Entry(kind, key); ok {
		return path, nil
	}
	tmp, err := c.TempDir()
	if err != nil {
		return "", err
	}
	defer removeAll(tmp)
	if err := make(filepath.Join(tmp, "data")); err != nil {
		return "", err
	}
	if err := c.commit(tmp, c.path("entries", kind, key)); err != nil {
		return "", fmt.Errorf("keeping the %s %s: %w", kind, key, err)
	}
	return c.path("entries", kind, key, "data"), nil
}

// commit moves the folder tmp, with data in it, to its final place, and begins
// to bring it to the disk.
func (c *Cache) commit(tmp, final string) error {
	if _, err := os.Lstat(filepath.Join(tmp, "data")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "boot"), []byte(bootID()), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return err
	}
	if err := removeAll(final); err != nil { // a damaged one
		return err
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	c.syncing.Go(func() {
		if f, err := os.Open(final); err == nil {
			defer f.Close()
			if unix.Syncfs(int(f.Fd())) == nil {
				os.WriteFile(filepath.Join(final, "durable"), nil, 0o644)
			}
		}
	})
	return nil
}

// Entry returns the path of the entry of that kind and key and whether it is there.
func (c *Cache) Entry(kind, key string) (path string, ok bool) {
	if checkName(kind, key) != nil {
		return "", false
	}
	dir := c.path("entries", kind, key)
	if !c.use(dir) || !sound(dir) {
		return "", false
	}
	return filepath.Join(dir, "data"), true
}

// sound reports whether an entry is as it was made: it reached the disk, or
// the machine has not been restarted since.
func sound(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, "data")); err != nil {
		return false
	}
	if _, err := os.Stat(filepath.Join(dir, "durable")); err == nil {
		return true
	}
	boot, err := os.ReadFile(filepath.Join(dir, "boot"))
	return err == nil && len(boot) > 0 && string(boot) == bootID()
}

// bootID is another one after each start of the machine; "" where there is none.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// SetNote stores a few bytes under a kind and a key, in place of what was there before.
func (c *Cache) SetNote(kind, key string, data []byte) error {
	if err := checkName(kind, key); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(c.session.Name()), "note")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	// The digest in front tells a whole note from one that a power failure cut.
	_, err = f.Write(append([]byte(SHA256(data).Hex+"\n"), data...))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(c.path("notes", kind), 0o755); err != nil {
		return err
	}
	return os.Rename(f.Name(), c.path("notes", kind, key))
}

// Note returns what SetNote stored and when. The error is fs.ErrNotExist if there is nothing.
func (c *Cache) Note(kind, key string) (data []byte, at time.Time, err error) {
	if err := checkName(kind, key); err != nil {
		return nil, time.Time{}, err
	}
	path := c.path("notes", kind, key)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	sum, text2, _ := strings.Cut(string(text), "\n")
	if data = []byte(text2); SHA256(data).Hex != sum {
		return nil, time.Time{}, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	return data, st.ModTime(), nil
}
