package fetch

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/hint"
	"golang.org/x/sys/unix"
)

var (
	// ErrOffline says that a file is not in the cache and the network must not be used.
	ErrOffline = errors.New("it is not in the cache, and the build is offline")
	// ErrNotFound says that the server has no such file.
	ErrNotFound = errors.New("not found")
	// ErrStalled says that a transfer made no progress for too long.
	ErrStalled = errors.New("no bytes arrived")
)

// A FileError says which file could not be had.
type FileError struct {
	File File
	Err  error // what went wrong at each URL
}

func (e *FileError) Error() string { return "fetching " + e.File.name() + ": " + e.Err.Error() }

func (e *FileError) Unwrap() error { return e.Err }

// advise adds what can be done about an error.
func advise(err error) error {
	switch {
	case errors.Is(err, ErrOffline):
		return hint.Wrap(err, "build once without --offline, with the same cache")
	case errors.Is(err, unix.ENOSPC):
		return err // no other server helps
	case errors.Is(err, cache.ErrBadDigest):
		return hint.Wrap(err, "the server has something else than what was promised: try again later, or take another mirror")
	case errors.Is(err, ErrNotFound):
		return hint.Wrap(err, "check the address; if it was right a while ago, the repository has moved on: try again, or take another mirror")
	}
	return hint.Wrap(err, "check the address and the network, or take another mirror")
}

// temporary marks an error that may pass.
type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }

// local marks an error of this machine, which no other mirror can mend.
type local struct{ error }

func (l local) Unwrap() error { return l.error }

// statusError is an answer that is not the file.
type statusError struct {
	status string // such as "503 Service Unavailable"
	after  time.Duration
}

func (e *statusError) Error() string { return "the server says " + e.status }

// retryAfter is how long the server asks to wait, at most a minute.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*statusError](err); ok {
		return min(e.after, time.Minute)
	}
	return 0
}

// failures are what went wrong at each URL.
type failures struct {
	urls []string
	errs map[string]error
}

func (f *failures) set(url string, err error) {
	if f.errs == nil {
		f.errs = map[string]error{}
	}
	if f.errs[url] == nil {
		f.urls = append(f.urls, url)
	}
	f.errs[url] = err
}

// Error names each URL and its error; equal errors once, with the first URL and how many more.
func (f failures) Error() string {
	var texts []string
	for i, url := range f.urls {
		text := f.errs[url].Error()
		same := func(u string) bool { return f.errs[u].Error() == text }
		if slices.ContainsFunc(f.urls[:i], same) {
			continue
		}
		more := 0
		for _, u := range f.urls[i+1:] {
			if same(u) {
				more++
			}
		}
		where := Redact(url)
		if more > 0 {
			where += fmt.Sprintf(" and %d more", more)
		}
		texts = append(texts, where+": "+text)
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the errors, but not that one URL has no such file while another failed otherwise.
func (f failures) Unwrap() []error {
	var errs []error
	for _, url := range f.urls {
		errs = append(errs, f.errs[url])
	}
	found := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, ErrNotFound) })
	if len(found) > 0 {
		return found
	}
	return errs
}

// Redact returns a URL as it may be shown: without user name, password, and
// the values of its query.
func Redact(raw string) string {
	if !strings.Contains(raw, "://") {
		return raw // a path
	}
	u, err := url.Parse(raw)
	if err != nil {
		scheme, rest, _ := strings.Cut(raw, "://")
		if i := strings.LastIndexByte(rest, '@'); i >= 0 {
			rest = rest[i+1:]
		}
		rest, _, _ = strings.Cut(rest, "?")
		return scheme + "://" + rest
	}
	u.User = nil
	u.Fragment = ""
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return u.String()
}

// plain takes the URL, which may hold credentials, out of an error of net/http.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return plain(e.Err)
	}
	return err
}

func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Host
	}
	return ""
}
