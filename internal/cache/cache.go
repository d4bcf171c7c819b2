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
// that was killed left behind is removed later. Nobody waits for the disk: a
// power failure may cost what was made last, but never leaves a broken thing
// that looks whole; see [Cache.Blob] and [Cache.Make].
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
)

// ErrBadDigest says that a blob's bytes are not those that its name promises.
var ErrBadDigest = errors.New("digest does not match")

// A Cache is an open cache folder. Its methods may be called from several goroutines.
//
// The folder holds:
//
//	blobs/ALGORITHM/HH/HEX   files by digest
//	partial/ALGORITHM-HEX    blobs that are being filled, or whose filling failed; .note beside
//	entries/KIND/KEY/data    files and folders that were made
//	notes/KIND/KEY
//	tmp/SESSION/             temporary files of one open Cache, and its lock
//	locks/                   what is being made
//	gate                     see enter
type Cache struct {
	// Report is told when a call waits for another process. nil is silent.
	Report *report.Report

	dir     string
	session *os.File // tmp/SESSION/lock, locked for as long as the cache is open
	syncing sync.WaitGroup
}

// Dir returns the folder of the user's cache: $RESPIN_CACHE, else
// $XDG_CACHE_HOME/respin, else ~/.cache/respin. getenv is os.Getenv in practice.
func Dir(getenv func(string) string) (string, error) {
	if dir := getenv("RESPIN_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) { // the XDG specification ignores relative ones
		return filepath.Join(dir, "respin"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Abs(filepath.Join(home, ".cache", "respin"))
	}
	return "", hint.Wrap(errors.New("finding the cache: neither RESPIN_CACHE nor HOME is set"), "set RESPIN_CACHE to a folder")
}

// Open opens the cache in dir, which it makes if it is missing. Close it at the end.
func Open(dir string) (*Cache, error) {
	c := &Cache{}
	err := c.open(dir)
	if errors.Is(err, os.ErrPermission) {
		err = hint.Wrap(err, "set RESPIN_CACHE to a folder of your own")
	}
	if err != nil {
		return nil, fmt.Errorf("opening the cache: %w", err)
	}
	return c, nil
}

func (c *Cache) open(dir string) error {
	var err error
	if c.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	// Entries are whole systems with set-uid programs and password files of
	// their own: nobody else should get at them.
	for path, mode := range map[string]os.FileMode{"blobs": 0o755, "partial": 0o755, "entries": 0o700, "notes": 0o755, "tmp": 0o700, "locks": 0o755} {
		if err := os.MkdirAll(c.path(path), mode); err != nil {
			return err
		}
	}
	if err := c.begin(); err != nil {
		return err
	}
	return c.sweep(removeAll)
}

// Close says that nothing of the cache is in use by this process any more, and
// removes its temporary files.
func (c *Cache) Close() error {
	c.syncing.Wait()
	err := removeAll(filepath.Dir(c.session.Name()))
	return errors.Join(err, c.session.Close())
}

// Dir is the cache's folder, an absolute path.
func (c *Cache) Dir() string { return c.dir }

func (c *Cache) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// TempDir makes a temporary folder on the cache's file system. It is removed
// at the latest when the cache is closed, or after the process died.
func (c *Cache) TempDir() (string, error) {
	return os.MkdirTemp(filepath.Dir(c.session.Name()), "")
}

// Key is a digest of parts, in hex, for [Cache.Make] and notes. No two different
// lists of parts give the same key.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// A kind and a key become file names.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

func checkName(kind, key string) error {
	for _, s := range []string{kind, key} {
		if !word.MatchString(s) {
			return fmt.Errorf("%q is no name for the cache", s)
		}
	}
	return nil
}
