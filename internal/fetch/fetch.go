// Package fetch downloads files, many at a time, into the cache.
//
// It is made for mirrors that are slow, stall, answer nonsense or are gone:
// every file has a list of URLs, tried in order; an interrupted transfer is
// resumed, also by a later process; a transfer without progress is given up;
// and what arrives is believed only when its digest is right. URLs may be
// http, https or file, or a plain path. User names, passwords and tokens in
// them do not appear in errors and reports.
package fetch

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sync/errgroup"
)

// A Fetcher downloads into a cache. Set its fields before the first use and
// not afterwards; its methods may be called from several goroutines.
type Fetcher struct {
	Cache  *cache.Cache
	Report *report.Report // shows the progress of All and what goes wrong on the way; nil is silent

	// Offline forbids the network: http and https give ErrOffline unless the
	// cache has the file. file URLs and paths still work.
	Offline bool

	UserAgent string        // such as "respin/1.2"; empty: "respin"
	Client    *http.Client  // nil: one with the proxies of the environment
	Parallel  int           // transfers at a time, 0: 8
	PerHost   int           // transfers at a time from one host, 0: 6
	Attempts  int           // at each URL, for errors that may pass, 0: 4
	Stall     time.Duration // give a transfer up after that long without a byte, 0: 30 s
	Backoff   time.Duration // wait before the second attempt, doubled for each further one and varied at random, 0: 500 ms

	once   sync.Once
	client *http.Client
	mu     sync.Mutex
	hosts  map[string]*host
}

// Open returns a Fetcher that keeps what it fetches in the user's cache; the
// Cache is to be closed.
func Open(r *report.Report, offline bool, userAgent string) (*Fetcher, error) {
	dir, err := cache.Dir(os.Getenv)
	if err != nil {
		return nil, err
	}
	c, err := cache.Open(dir)
	if err != nil {
		return nil, err
	}
	c.Report = r
	return &Fetcher{Cache: c, Report: r, Offline: offline, UserAgent: userAgent}, nil
}

// host is what is known of a server.
type host struct {
	slots    chan struct{} // one for each transfer that may run
	failures int           // guarded by Fetcher.mu
}

// A File is what to download.
type File struct {
	Name   string       // for messages; the last element of the first URL if empty
	URLs   []string     // where it can be had, in the order of preference
	Digest cache.Digest // that its bytes must have
	Size   int64        // bytes; negative if not known
}

func (f *Fetcher) start() {
	f.once.Do(func() {
		f.Parallel, f.PerHost, f.Attempts = orInt(f.Parallel, 8), orInt(f.PerHost, 6), orInt(f.Attempts, 4)
		f.Stall, f.Backoff = orDuration(f.Stall, 30*time.Second), orDuration(f.Backoff, 500*time.Millisecond)
		if f.UserAgent == "" {
			f.UserAgent = "respin"
		}
		f.hosts = map[string]*host{}
		if f.client = f.Client; f.client == nil {
			t := http.DefaultTransport.(*http.Transport).Clone()
			t.DisableCompression = true // a file is what it is
			t.MaxIdleConnsPerHost = f.PerHost
			f.client = &http.Client{Transport: t}
		}
	})
}

func orInt(v, usual int) int {
	if v == 0 {
		return usual
	}
	return v
}

func orDuration(v, usual time.Duration) time.Duration {
	if v == 0 {
		return usual
	}
	return v
}

// File downloads one file and returns its path in the cache, where it stays
// until the cache is closed. Nothing is downloaded if the cache has it.
//
// The error, a *FileError, names the file and what went wrong at each URL. errors.Is finds
// ErrOffline, ErrNotFound (every URL says that it has no such file), ErrStalled
// and cache.ErrBadDigest in it.
func (f *Fetcher) File(ctx context.Context, file File) (path string, err error) {
	return f.file(ctx, file, nil)
}

func (f *Fetcher) file(ctx context.Context, file File, task *report.Task) (string, error) {
	f.start()
	path, err := f.Cache.Fill(ctx, file.Digest, file.Size, func(p *cache.Partial) error {
		return f.download(ctx, file, p, task)
	})
	if err != nil {
		return "", advise(&FileError{file, err})
	}
	return path, nil
}

func (f File) name() string {
	if f.Name == "" && len(f.URLs) > 0 {
		return path.Base(Redact(f.URLs[0]))
	}
	return f.Name
}

// All downloads files in parallel, those that are in the cache excepted, and
// calls done for each as it arrives, from several goroutines at once. It stops at the first
// error, of a download or of done, and returns it. title is the task's title in
// the report; without one nothing is shown.
func (f *Fetcher) All(ctx context.Context, title string, files []File, done func(i int, path string) error) error {
	f.start()
	var missing []int
	var total int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.Parallel)
	for i, file := range files {
		if path, ok := f.Cache.Blob(file.Digest, file.Size); ok {
			group.Go(func() error { return done(i, path) })
			continue
		}
		missing = append(missing, i)
		total += max(file.Size, 0)
	}
	shown := f.Report
	if title == "" {
		shown = nil
	}
	var task *report.Task
	if len(missing) > 0 {
		task = shown.Task(title, total, report.Bytes)
		defer task.Drop()
	}
	for _, i := range missing {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			task.Doing(files[i].name())
			path, err := f.file(ctx, files[i], task)
			if err != nil {
				return err
			}
			return done(i, path)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if task != nil {
		task.Done()
	}
	return nil
}

// download fills p from the first URL that has the file. A URL that failed for
// a reason that may pass is tried again after the others.
func (f *Fetcher) download(ctx context.Context, file File, p *cache.Partial, task *report.Task) error {
	credit(task, p.Len())
	return f.try(ctx, file.name(), file.URLs, func(url string) error {
		resumed := p.Len() > 0
		err := f.transfer(ctx, url, p, file.Size, task)
		if err != nil {
			return err
		}
		if err = p.Check(); err == nil {
			return nil
		}
		credit(task, -p.Len())
		if resetErr := p.Reset(); resetErr != nil {
			return resetErr
		}
		if resumed {
			return temporary{err} // the beginning may have been the bad part
		}
		return err
	})
}

// try calls do with the URLs in turn until it succeeds.
func (f *Fetcher) try(ctx context.Context, name string, urls []string, do func(url string) error) error {
	if len(urls) == 0 {
		return errors.New("there is no URL for it")
	}
	last := failures{}
	urls = f.bestFirst(urls)
	given := map[string]bool{} // up
	for attempt := range f.Attempts {
		var wait time.Duration
		for _, url := range urls {
			if given[url] {
				continue
			}
			err := do(url)
			if _, ours := errors.AsType[local](err); ours || err == nil || ctx.Err() != nil {
				return err
			}
			last.set(url, err)
			t, passing := errors.AsType[temporary](err)
			if given[url] = !passing; passing {
				f.blame(url)
				wait = max(wait, retryAfter(t.error), f.pause(attempt))
				f.Report.Printf("fetching %s from %s: %v", name, Redact(url), err)
			}
		}
		if wait == 0 || attempt == f.Attempts-1 {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
	return last
}

// pause is how long to wait after an attempt.
func (f *Fetcher) pause(attempt int) time.Duration {
	d := min(f.Backoff<<attempt, time.Minute)
	return d/2 + rand.N(d)
}

// bestFirst orders URLs by how often their servers failed, else as they are.
func (f *Fetcher) bestFirst(urls []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	urls = slices.Clone(urls)
	slices.SortStableFunc(urls, func(a, b string) int {
		return f.at(a).failures - f.at(b).failures
	})
	return urls
}

// blame counts a failure of a URL's server.
func (f *Fetcher) blame(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at(url).failures++
}

// at returns the host of a URL. The caller holds mu.
func (f *Fetcher) at(url string) *host {
	name := hostOf(url)
	h := f.hosts[name]
	if h == nil {
		h = &host{slots: make(chan struct{}, f.PerHost)}
		f.hosts[name] = h
	}
	return h
}

// occupy waits for a slot at a URL's server.
func (f *Fetcher) occupy(ctx context.Context, url string) (leave func(), err error) {
	f.mu.Lock()
	h := f.at(url)
	f.mu.Unlock()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// credit adds to a task's progress. There may be no task.
func credit(task *report.Task, n int64) {
	if task != nil {
		task.Add(n)
	}
}
