// Package cache is the user's folder of things that were fetched or made once
// and need not be fetched or made again.
//
// It holds three kinds of things:
//
//   - blobs: files named by their digest, such as packages. See [Cache.Fill].
//   - entries: files or folders named by a digest of what they were made from,
//     such as a buildroot. See [Cache.Make].
//   - notes: a few bytes under a name, which may be replaced, such as the last
//     repomd.xml that a repository had. See [Cache.SetNote].
//
// Any number of processes may use one cache at the same time: what one of them
// is making the others wait for, and what any of them uses is not pruned.
// Things appear under their final names whole or not at all; what a process
// that was killed left behind is removed later.
package cache

import (
	"context"
	"errors"
	"time"

	"github.com/respin-project/respin/internal/report"
)

// ErrBadDigest says that a blob's bytes are not those that its name promises.
var ErrBadDigest = errors.New("digest does not match")

// A Cache is an open cache folder. Its methods may be called from several goroutines.
type Cache struct {
	// Report is told when a call waits for another process. nil is silent.
	Report *report.Report

	dir string
}

// Dir returns the folder of the user's cache: $RESPIN_CACHE, else
// $XDG_CACHE_HOME/respin, else ~/.cache/respin. getenv is os.Getenv in practice.
func Dir(getenv func(string) string) (string, error) { return "", errors.ErrUnsupported }

// Open opens the cache in dir, which it makes if it is missing. Close it at the end.
func Open(dir string) (*Cache, error) { return nil, errors.ErrUnsupported }

// Close says that nothing of the cache is in use by this process any more, and
// removes its temporary files.
func (c *Cache) Close() error { return errors.ErrUnsupported }

// Dir is the cache's folder, an absolute path.
func (c *Cache) Dir() string { return c.dir }

// Blob returns the path of the blob with digest d and whether it is there.
// size is the one it must have, or negative if that is not known; its digest
// was verified when it entered and is not again (see [Cache.Check]). A blob of
// the wrong size is removed. The file must not be written to.
//
// The file stays in place until Close.
func (c *Cache) Blob(d Digest, size int64) (path string, ok bool) { return "", false }

// Check reads the blob with digest d and removes it if its bytes are not what
// they should be; the error is then ErrBadDigest. A blob that is not there gives fs.ErrNotExist.
func (c *Cache) Check(d Digest) error { return errors.ErrUnsupported }

// Fill returns the path of the blob with digest d, after having fill write it if
// it was not there. Only one process fills a blob at a time; the others
// wait and use what it made.
//
// The blob enters the cache if fill returned nil and the bytes have digest d
// and, unless size is negative, that size; if not, they are thrown away, and the error
// wraps ErrBadDigest. If fill returns an error, what it wrote is kept aside, and
// the next fill of the same digest, in whatever process, finds it in its Partial.
func (c *Cache) Fill(ctx context.Context, d Digest, size int64, fill func(*Partial) error) (path string, err error) {
	return "", errors.ErrUnsupported
}

// Make returns the path of the entry of that kind and key, after having make
// create it, a file or a folder, at the path it is given, if it was not there.
// If make returns an error, what it created is removed and Make returns the error.
// Only one process makes an entry at a time; the others wait and use what it made.
//
// kind is a word such as "buildroot"; key is hex, the digest of everything
// that the entry depends on (see [Key]). The entry is meant to be read only. It
// stays in place until Close.
func (c *Cache) Make(ctx context.Context, kind, key string, make func(path string) error) (path string, err error) {
	return "", errors.ErrUnsupported
}

// Entry returns the path of the entry of that kind and key and whether it is there.
func (c *Cache) Entry(kind, key string) (path string, ok bool) { return "", false }

// Key is a digest of parts, in hex, for [Cache.Make] and notes. No two different
// lists of parts give the same key.
func Key(parts ...string) string { return "" }

// SetNote stores a few bytes under a kind and a key, in place of what was there before.
func (c *Cache) SetNote(kind, key string, data []byte) error { return errors.ErrUnsupported }

// Note returns what SetNote stored and when. The error is fs.ErrNotExist if there is nothing.
func (c *Cache) Note(kind, key string) (data []byte, at time.Time, err error) {
	return nil, time.Time{}, errors.ErrUnsupported
}

// TempDir makes a temporary folder on the cache's file system. It is removed
// at the latest when the cache is closed, or after the process died.
func (c *Cache) TempDir() (string, error) { return "", errors.ErrUnsupported }

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
	Removed, Left           int   // blobs and entries
	RemovedBytes, LeftBytes int64 // as the file system counts them
}

// Prune removes what was not used for longest. What any open cache on
// this folder, this one included, has used since it was opened stays, whatever the limits say.
func (c *Cache) Prune(ctx context.Context, l Limits) (Pruned, error) {
	return Pruned{}, errors.ErrUnsupported
}
