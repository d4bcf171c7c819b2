package fetch

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/report"
)

// version tells which version of a remote file the bytes of a Partial come from.
type version struct {
	URL      string
	ETag     string `json:",omitempty"` // strong
	Modified string `json:",omitempty"` // Last-Modified, if there is no such ETag
}

// transfer appends the rest of the file at url to p, all of it if what is
// there is not known to be its beginning.
func (f *Fetcher) transfer(ctx context.Context, from string, p *cache.Partial, size int64, task *report.Task) error {
	body, err := f.open(ctx, from, p, size, task)
	if err != nil {
		return err
	}
	defer body.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if _, err := p.Write(buffer[:n]); errors.Is(err, cache.ErrBadDigest) {
				return err
			} else if err != nil {
				return local{err}
			}
			credit(task, int64(n))
		}
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if size >= 0 && p.Len() < size {
		return temporary{fmt.Errorf("the transfer ended after %d of %d bytes", p.Len(), size)}
	}
	return nil
}

// open begins to read the file at a URL where p ends, or from its beginning if
// what p has is not known to be of the same version.
func (f *Fetcher) open(ctx context.Context, from string, p *cache.Partial, size int64, task *report.Task) (io.ReadCloser, error) {
	restart := func() error {
		credit(task, -p.Len())
		return p.Reset()
	}
	path, local := localPath(from)
	validator := ""
	if known := (version{}); json.Unmarshal([]byte(p.Note()), &known) == nil && known.URL == from && p.Len() > 0 && !local {
		validator = known.ETag + known.Modified
	}
	header := http.Header{}
	if validator != "" {
		header.Set("Range", fmt.Sprintf("bytes=%d-", p.Len()))
		header.Set("If-Range", validator)
	} else if err := restart(); err != nil {
		return nil, err
	}
	if local {
		return openLocal(path)
	}
	response, err := f.get(ctx, from, header, false)
	if err != nil {
		return nil, err
	}
	if err := begin(response, from, p, size, restart); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response.Body, nil
}

// begin makes sure that the body of the response is what belongs behind p's end.
func begin(response *http.Response, from string, p *cache.Partial, size int64, restart func() error) error {
	switch response.StatusCode {
	case http.StatusOK:
		if n := response.ContentLength; size >= 0 && n >= 0 && n != size {
			return fmt.Errorf("the server has %d bytes instead of %d", n, size)
		}
		if err := restart(); err != nil {
			return err
		}
		return note(p, from, response)
	case http.StatusPartialContent:
		got, asked := response.Header.Get("Content-Range"), response.Request.Header.Get("Range") != ""
		if asked && strings.HasPrefix(got, fmt.Sprintf("bytes %d-", p.Len())) {
			return nil
		}
		return errors.Join(restart(), temporary{fmt.Errorf("the server sends %q instead of what follows", got)})
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(restart(), temporary{errors.New("the file has changed at the server")})
	}
	return answer(response)
}

// note remembers which version of the file the bytes that follow are of.
func note(p *cache.Partial, from string, response *http.Response) error {
	v := version{URL: from, ETag: response.Header.Get("ETag")}
	if !strings.HasPrefix(v.ETag, `"`) { // none, or a weak one
		v.ETag, v.Modified = "", response.Header.Get("Last-Modified")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.SetNote(string(text))
}

// get asks for a file. The body gives ErrStalled when nothing comes any more,
// and is to be closed. Errors that may pass are temporary.
func (f *Fetcher) get(ctx context.Context, from string, header http.Header, secure bool) (*http.Response, error) {
	if f.Offline {
		return nil, ErrOffline
	}
	leave, err := f.occupy(ctx, from)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watched{ctx: ctx, stall: f.Stall, leave: func() { cancel(nil); leave() }}
	w.timer = time.AfterFunc(f.Stall, func() { cancel(ErrStalled) })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		w.Close()
		return nil, plain(err)
	}
	header.Set("User-Agent", f.UserAgent)
	request.Header = header
	client := *f.client
	if secure {
		client.CheckRedirect = stayEncrypted
	}
	response, err := client.Do(request)
	if err != nil {
		err = w.problem(err)
		w.Close()
		return nil, err
	}
	w.body = response.Body
	response.Body = w
	return response, nil
}

// stayEncrypted refuses to be led from https to http.
func stayEncrypted(request *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("too many redirections")
	}
	if via[len(via)-1].URL.Scheme == "https" && request.URL.Scheme != "https" {
		return errors.New("the server leads from https to " + request.URL.Scheme)
	}
	return nil
}

// answer is the error that an HTTP status means.
func answer(response *http.Response) error {
	err := &statusError{status: response.Status}
	switch code := response.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return fmt.Errorf("%w (%s)", ErrNotFound, response.Status)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		after := response.Header.Get("Retry-After")
		if seconds, parseErr := strconv.Atoi(after); parseErr == nil && seconds > 0 {
			err.after = time.Duration(min(seconds, 3600)) * time.Second
		} else if at, parseErr := http.ParseTime(after); parseErr == nil {
			err.after = max(time.Until(at), 0)
		}
		return temporary{err}
	}
	return err
}

// watched is a body that must keep coming.
type watched struct {
	ctx   context.Context
	body  io.ReadCloser
	timer *time.Timer
	stall time.Duration
	leave func()
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.body.Read(b)
	if n > 0 {
		w.timer.Reset(w.stall)
	}
	if err != nil && err != io.EOF {
		err = w.problem(err)
	}
	return n, err
}

// problem says what an error of the transfer is.
func (w *watched) problem(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, ErrStalled) {
		return temporary{fmt.Errorf("%w for %v", ErrStalled, w.stall)}
	} else if cause != nil {
		return cause
	}
	err = plain(err)
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return err
	}
	if strings.HasPrefix(err.Error(), "the server leads") || strings.Contains(err.Error(), "unsupported protocol scheme") {
		return err
	}
	return temporary{err}
}

func (w *watched) Close() error {
	w.timer.Stop()
	defer w.leave()
	if w.body == nil {
		return nil
	}
	return w.body.Close()
}

// localPath returns the path that a file URL or a plain path names.
func localPath(from string) (string, bool) {
	if !strings.Contains(from, "://") && !strings.HasPrefix(from, "file:") {
		return from, true
	}
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "file" {
		return "", false
	}
	return u.Path, u.Host == "" || u.Host == "localhost"
}

func openLocal(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w on this machine", ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		f.Close()
		return nil, errors.New("it is no regular file")
	}
	return f, nil
}
