// Package fetch downloads files, many at a time, into the cache.
//
// It is made for mirrors that are slow, stall, answer nonsense or are gone:
// every file has a list of URLs, tried in order; an interrupted transfer is
// resumed; a transfer without progress is given up; and what
// arrives is believed only when its digest is right. URLs may be http, https
// or file, or a plain path.
package fetch

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/report"
)

// A Fetcher downloads into a cache. Set its fields before the first use and
// not afterwards; its methods may be called from several goroutines.
type Fetcher struct {
	Cache  *cache.Cache
	Report *report.Report // shows the progress of All; nil is silent

	// Offline forbids the network: http and https give ErrOffline unless the
	// cache has the file. file URLs and paths still work.
	Offline bool

	UserAgent string        // such as "respin/1.2"
	Client    *http.Client  // nil: one with the proxies of the environment
	Parallel  int           // transfers at a time, 0: 8
	PerHost   int           // transfers at a time from one host, 0: 4
	Attempts  int           // at each URL, for errors that may pass, 0: 4
	Stall     time.Duration // give a transfer up after that long without a byte, 0: 30 s
	Backoff   time.Duration // wait before the second attempt, doubled for each further one and varied at random, 0: 500 ms
}

// A File is what to download.
type File struct {
	Name   string       // for messages; the last element of the first URL if empty
	URLs   []string     // where it can be had, in the order of preference
	Digest cache.Digest // that its bytes must have
	Size   int64        // bytes; negative if not known
}

// File downloads one file and returns its path in the cache, where it stays
// until the cache is closed. Nothing is downloaded if the cache has it.
//
// The error names the file and what went wrong at each URL. errors.Is finds
// ErrOffline, ErrNotFound (every URL said that it has no such file), cache.ErrBadDigest, ErrStalled.
func (f *Fetcher) File(ctx context.Context, file File) (path string, err error) {
	return "", errors.ErrUnsupported
}

// All downloads files in parallel, those that are in the cache excepted, and
// calls done for each as it arrives, from several goroutines at once. It stops at the first
// error, of a download or of done, and returns it. title is the task's title in the report.
func (f *Fetcher) All(ctx context.Context, title string, files []File, done func(i int, path string) error) error {
	return errors.ErrUnsupported
}

// A Document is a small file whose digest is not known beforehand.
type Document struct {
	URL  string // where it came from, after redirections; may hold credentials
	Data []byte
	Old  bool // from the cache because the Fetcher is offline
}

// Document downloads a file of at most limit bytes from the first of urls that
// has one for which accept returns nil (nil accepts all); what accept refuses is
// treated as a failure of that mirror. With Offline it returns what it downloaded last from any of the
// URLs, if accept still takes it, and otherwise ErrOffline.
func (f *Fetcher) Document(ctx context.Context, urls []string, limit int64, accept func([]byte) error) (*Document, error) {
	return nil, errors.ErrUnsupported
}

var (
	// ErrOffline says that a file is not in the cache and the network must not be used.
	ErrOffline = errors.New("is not in the cache, and the build is offline")
	// ErrNotFound says that the server has no such file.
	ErrNotFound = errors.New("not found")
	// ErrStalled says that a transfer made no progress for too long.
	ErrStalled = errors.New("no bytes arrived")
)

// Redact returns a URL as it may be shown: without user name, password and
// query values.
func Redact(url string) string { return url }
