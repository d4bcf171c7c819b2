package cache

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits says what Prune leaves.
type Limits struct {
	Age  time.Duration // remove what was not used for that long; 0 is no limit
	Size int64         // then remove what was not used for longest until at most that many bytes are left; 0 is no limit

	// Remove removes an entry instead of os.RemoveAll, for entries that hold
	// files of other users and can only be removed from inside a namespace.
	Remove func(path string) error
}

// Pruned is what Prune did.
type Pruned struct {
	Removed, Left           int   // blobs, entries, notes and unfinished blobs
	RemovedBytes, LeftBytes int64 // as the file system counts them
}

// thing is what Prune can remove.
type thing struct {
	path  string
	used  time.Time
	bytes int64
}

// Prune removes what was not used for longest. What any open cache on
// this folder, this one included, has used since it was opened stays, whatever the limits say.
func (c *Cache) Prune(ctx context.Context, l Limits) (Pruned, error) {
	remove := l.Remove
	if remove == nil {
		remove = removeAll
	}
	if err := c.sweep(remove); err != nil {
		return Pruned{}, err
	}
	oldest, _, err := c.sessions()
	if err != nil {
		return Pruned{}, err
	}
	things, err := c.things()
	if err != nil {
		return Pruned{}, err
	}
	var p Pruned
	for _, t := range things {
		p.Left++
		p.LeftBytes += t.bytes
	}
	slices.SortFunc(things, func(a, b thing) int {
		return cmp.Or(a.used.Compare(b.used), strings.Compare(a.path, b.path))
	})
	for _, t := range things {
		tooOld := l.Age > 0 && time.Since(t.used) > l.Age
		tooMuch := l.Size > 0 && p.LeftBytes > l.Size
		if !tooOld && !tooMuch {
			continue
		}
		if err := ctx.Err(); err != nil {
			return p, err
		}
		removed, err := c.remove(t, oldest, remove)
		if err != nil {
			return p, err
		}
		if removed {
			p.Removed++
			p.RemovedBytes += t.bytes
			p.Left--
			p.LeftBytes -= t.bytes
		}
	}
	return p, nil
}

// remove removes t unless it was used since the time given.
func (c *Cache) remove(t thing, since time.Time, remove func(string) error) (bool, error) {
	trash, err := c.TempDir()
	if err != nil {
		return false, err
	}
	aside := filepath.Join(trash, filepath.Base(t.path))
	moved, err := func() (bool, error) {
		leave, err := c.enter(unix.LOCK_EX)
		if err != nil {
			return false, err
		}
		defer leave()
		st, err := os.Lstat(t.path)
		if err != nil || !st.ModTime().Before(since) {
			return false, nil // gone, or in use by now
		}
		os.Remove(t.path + ".note") // of an unfinished blob
		return true, os.Rename(t.path, aside)
	}()
	if err == nil && moved {
		err = remove(aside)
	}
	os.Remove(trash)
	return moved && err == nil, err
}

// things lists what can be removed.
func (c *Cache) things() ([]thing, error) {
	var all []thing
	for _, pattern := range []string{"blobs/*/*/*", "partial/*", "entries/*/*", "notes/*/*"} {
		paths, err := filepath.Glob(c.path(pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			st, err := os.Lstat(path)
			if err != nil || strings.HasSuffix(path, ".note") {
				continue
			}
			all = append(all, thing{path, st.ModTime(), usage(path)})
		}
	}
	return all, nil
}

// usage is the room that a file or tree takes on the disk, in bytes.
func usage(path string) int64 {
	var bytes int64
	filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if d == nil {
			return nil
		}
		if st, err := d.Info(); err == nil {
			if sys, ok := st.Sys().(*syscall.Stat_t); ok {
				bytes += sys.Blocks * 512 / max(int64(sys.Nlink), 1)
			}
		}
		return nil
	})
	return bytes
}
