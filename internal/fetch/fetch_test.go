package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/report"
)

func newFetcher(t *testing.T) *Fetcher {
	t.Helper()
	c, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &Fetcher{Cache: c, Stall: 300 * time.Millisecond, Backoff: time.Millisecond}
}

var content = bytes.Repeat([]byte("0123456789abcdef"), 20000)

func file(urls ...string) File {
	return File{URLs: urls, Digest: cache.SHA256(content), Size: int64(len(content))}
}

// server counts its requests and answers each with the next of the handlers,
// the last one for ever.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func serve(t *testing.T, handlers ...http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		h := handlers[min(len(s.requests), len(handlers))-1]
		s.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	return s
}

func good(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"1"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
}

// truncated sends half of the file and resets the connection.
func truncated(etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:len(content)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func stalled(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content[:1000])
	w.(http.Flusher).Flush()
	select {
	case <-r.Context().Done():
	case <-time.After(10 * time.Second):
	}
}

func sends(data []byte, length int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if length >= 0 {
			w.Header().Set("Content-Length", strconv.Itoa(length))
		} else {
			w.(http.Flusher).Flush() // chunked
		}
		w.Write(data)
	}
}

func TestFile(t *testing.T) {
	for name, test := range map[string]struct {
		handlers []http.HandlerFunc
		requests int
		ranges   string // of the last request
		err      string
		is       error
	}{
		"good":                 {[]http.HandlerFunc{good}, 1, "", "", nil},
		"chunked":              {[]http.HandlerFunc{sends(content, -1)}, 1, "", "", nil},
		"unavailable at first": {[]http.HandlerFunc{status(503), status(500), good}, 3, "", "", nil},
		"busy":                 {[]http.HandlerFunc{status(429), good}, 2, "", "", nil},
		"always unavailable":   {[]http.HandlerFunc{status(503)}, 4, "", "the server says 503 Service Unavailable", nil},
		"not found":            {[]http.HandlerFunc{status(404)}, 1, "", "not found (404 Not Found)", ErrNotFound},
		"gone":                 {[]http.HandlerFunc{status(410)}, 1, "", "not found (410 Gone)", ErrNotFound},
		"forbidden":            {[]http.HandlerFunc{status(403)}, 1, "", "the server says 403 Forbidden", nil},
		"cut, then resumed":    {[]http.HandlerFunc{truncated(`"1"`), good}, 2, fmt.Sprintf("bytes=%d-", len(content)/2), "", nil},
		"cut, changed":         {[]http.HandlerFunc{truncated(`"0"`), good}, 2, fmt.Sprintf("bytes=%d-", len(content)/2), "", nil},
		"cut, weak validator":  {[]http.HandlerFunc{truncated(`W/"1"`), good}, 2, "", "", nil},
		"cut, no validator":    {[]http.HandlerFunc{truncated(""), good}, 2, "", "", nil},
		"always cut":           {[]http.HandlerFunc{truncated("")}, 4, "", "unexpected EOF", nil},
		"stalls once":          {[]http.HandlerFunc{stalled, good}, 2, "bytes=1000-", "", nil},
		"never answers":        {[]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, 4, "", "no bytes arrived for 300ms", ErrStalled},
		"shorter than agreed":  {[]http.HandlerFunc{sends(content[1:], -1)}, 4, "", "the transfer ended after 319999 of 320000 bytes", nil},
		"says it is shorter":   {[]http.HandlerFunc{sends(content[1:], len(content)-1)}, 1, "", "the server has 319999 bytes instead of 320000", nil},
		"says it is longer":    {[]http.HandlerFunc{sends(append(content, 1), len(content)+1)}, 1, "", "the server has 320001 bytes instead of 320000", nil},
		"sends more":           {[]http.HandlerFunc{sends(append(content, 1), -1)}, 1, "", "there are more than 320000 bytes", nil},
		"other content":        {[]http.HandlerFunc{sends(bytes.ToUpper(content), len(content))}, 1, "", "digest does not match", cache.ErrBadDigest},
		"other content after a cut": {[]http.HandlerFunc{truncated(`"1"`), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", len(content)/2, len(content)-1, len(content)))
			w.WriteHeader(206)
			w.Write(bytes.ToUpper(content[len(content)/2:]))
		}, good}, 3, "", "", nil},
		"range that was not asked for": {[]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/320000")
			w.WriteHeader(206)
			w.Write(content[:10])
		}, good}, 2, "", "", nil},
		"range beyond the end": {[]http.HandlerFunc{truncated(`"1"`), status(416), good}, 3, "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.handlers...)
			f := newFetcher(t)
			path, err := f.File(context.Background(), file(s.URL+"/repo/hello.rpm"))
			if test.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
					t.Errorf("content is wrong, %v", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.err) || !strings.HasPrefix(err.Error(), "fetching hello.rpm: "+s.URL) {
				t.Errorf("error is %v, want %q", err, test.err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is no %v", err, test.is)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.requests) != test.requests {
				t.Errorf("there were %d requests, want %d", len(s.requests), test.requests)
			}
			if got := s.requests[len(s.requests)-1].Header.Get("Range"); got != test.ranges {
				t.Errorf("the last one asked for %q, want %q", got, test.ranges)
			}
			if agent := s.requests[0].UserAgent(); agent != "respin" {
				t.Errorf("user agent is %q", agent)
			}
		})
	}
}

// What is wrong on this machine is not the mirrors' fault.
func TestDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("SKIP: a small file system cannot be mounted here: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := serve(t, good)
	f := &Fetcher{Cache: c}
	_, err = f.File(context.Background(), file(s.URL+"/a", s.URL+"/b"))
	if !errors.Is(err, syscall.ENOSPC) || len(s.requests) != 1 {
		t.Errorf("error is %v after %d requests", err, len(s.requests))
	}
}

// A transfer that one process began is resumed by the next.
func TestResumeInAnotherProcess(t *testing.T) {
	s := serve(t, truncated(`"1"`), good)
	f := newFetcher(t)
	f.Attempts = 1
	if _, err := f.File(context.Background(), file(s.URL+"/a")); err == nil {
		t.Fatal("half a file was good")
	}
	again := &Fetcher{Cache: f.Cache}
	if _, err := again.File(context.Background(), file(s.URL+"/a")); err != nil {
		t.Fatal(err)
	}
	if got := s.requests[1].Header.Get("Range"); got == "" {
		t.Error("it began anew")
	}
	if _, err := again.File(context.Background(), file(s.URL+"/a")); err != nil || len(s.requests) != 2 {
		t.Errorf("was fetched again: %v", err)
	}
}

func TestMirrors(t *testing.T) {
	missing, broken, wrong, fine := serve(t, status(404)), serve(t, status(500)), serve(t, sends(bytes.ToUpper(content), -1)), serve(t, good)
	f := newFetcher(t)
	if _, err := f.File(context.Background(), file(missing.URL+"/a", broken.URL+"/a", wrong.URL+"/a", fine.URL+"/a")); err != nil {
		t.Error(err)
	}
	if n := len(broken.requests); n != 1 {
		t.Errorf("the broken mirror was asked %d times", n)
	}
	// The server that failed is asked last from now on.
	other := []byte("another file")
	fine.Config.Handler = sends(other, -1)
	if _, err := f.File(context.Background(), File{URLs: []string{broken.URL + "/b", fine.URL + "/b"}, Digest: cache.SHA256(other), Size: -1}); err != nil {
		t.Error(err)
	}
	if n := len(broken.requests); n != 1 {
		t.Errorf("the broken mirror was asked %d times", n)
	}
	_, err := f.File(context.Background(), File{Name: "c", URLs: []string{missing.URL + "/x", missing.URL + "/y", "/nowhere/at/all"}, Digest: cache.SHA256(nil), Size: -1})
	if !errors.Is(err, ErrNotFound) || err.Error() != "fetching c: "+missing.URL+"/x and 1 more: not found (404 Not Found); /nowhere/at/all: not found on this machine" {
		t.Errorf("error is %v", err)
	}
	_, err = f.File(context.Background(), File{Name: "c", URLs: []string{missing.URL + "/x", broken.URL + "/x"}, Digest: cache.SHA256(nil), Size: -1})
	if errors.Is(err, ErrNotFound) {
		t.Errorf("one mirror is broken, but the file is said not to exist: %v", err)
	}
}

func TestLocalFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a file")
	os.WriteFile(path, content, 0o644)
	for _, url := range []string{path, "file://" + strings.ReplaceAll(path, " ", "%20"), "file://localhost" + path} {
		f := newFetcher(t)
		f.Offline = true
		if _, err := f.File(context.Background(), file(url)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	f := newFetcher(t)
	if _, err := f.File(context.Background(), file(dir)); err == nil || !strings.Contains(err.Error(), "it is no regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := f.File(context.Background(), file("ftp://example.org/a")); err == nil || !strings.Contains(err.Error(), `unsupported protocol scheme "ftp"`) {
		t.Errorf("ftp: %v", err)
	}
}

func TestOffline(t *testing.T) {
	s := serve(t, good)
	f := newFetcher(t)
	f.Offline = true
	_, err := f.File(context.Background(), file(s.URL+"/hello.rpm"))
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "fetching hello.rpm: ") || len(s.requests) > 0 {
		t.Errorf("error is %v after %d requests", err, len(s.requests))
	}
	online := &Fetcher{Cache: f.Cache}
	if _, err := online.File(context.Background(), file(s.URL+"/hello.rpm")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.File(context.Background(), file(s.URL+"/hello.rpm")); err != nil {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	s := serve(t, stalled)
	f := newFetcher(t)
	f.Stall = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := f.File(ctx, file(s.URL)); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestSecretsStaySecret(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "hunter2" {
			t.Error("the server was not told who asks")
		}
		w.WriteHeader(500)
	})
	dead := httptest.NewServer(nil)
	dead.Close()
	var log strings.Builder
	f := newFetcher(t)
	f.Report = report.New(&log, "img-test", report.Lines, func(string) string { return "" })
	f.Attempts = 2
	for _, base := range []string{s.URL, dead.URL, "http://[bad", "https://exa mple"} {
		url := strings.Replace(base, "://", "://me:hunter2@", 1) + "/a?token=hunter3"
		_, err := f.File(context.Background(), file(url))
		_, err2 := f.Document(context.Background(), []string{url}, 10, nil)
		for _, text := range []string{fmt.Sprint(err), fmt.Sprint(err2), log.String()} {
			if err == nil || err2 == nil || strings.Contains(text, "hunter") || strings.Contains(text, "me:") {
				t.Errorf("%s: %s", base, text)
			}
		}
	}
	for in, want := range map[string]string{
		"https://me:pw@example.org/a?x=y#z": "https://example.org/a?…",
		"https://me:pw@[::bad/a?x=y":        "https://[::bad/a",
		"/a/b?c":                            "/a/b?c",
		"file:///a":                         "file:///a",
	} {
		if got := Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAll(t *testing.T) {
	var running, most atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		w.Write([]byte(r.URL.Path))
	})
	var log strings.Builder
	f := newFetcher(t)
	f.Report = report.New(&log, "img-test", report.Lines, func(string) string { return "" })
	f.PerHost = 3
	var files []File
	for i := range 40 {
		path := fmt.Sprintf("/%d", i)
		files = append(files, File{URLs: []string{s.URL + path}, Digest: cache.SHA256([]byte(path)), Size: int64(len(path))})
	}
	for round := range 2 {
		var mu sync.Mutex
		seen := map[int]bool{}
		err := f.All(context.Background(), "fetching", files, func(i int, path string) error {
			mu.Lock()
			defer mu.Unlock()
			got, _ := os.ReadFile(path)
			if seen[i] || string(got) != fmt.Sprintf("/%d", i) {
				t.Errorf("file %d is %q", i, got)
			}
			seen[i] = true
			if round == 0 && len(seen) == 1 {
				time.Sleep(400 * time.Millisecond) // long enough to be reported
			}
			return nil
		})
		if err != nil || len(seen) != 40 || len(s.requests) != 40 {
			t.Errorf("round %d: %d files, %d requests, %v", round, len(seen), len(s.requests), err)
		}
	}
	if most.Load() > 3 {
		t.Errorf("%d transfers at a time", most.Load())
	}
	if want := "img-test: fetching: 110 B in"; !strings.HasPrefix(log.String(), want) || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("report is %q", log.String())
	}
	broken := errors.New("broken")
	if err := f.All(context.Background(), "fetching", files, func(i int, path string) error { return broken }); err != broken {
		t.Errorf("error is %v", err)
	}
}

func TestDocument(t *testing.T) {
	bad, fine := serve(t, sends([]byte("<html>"), -1)), serve(t, sends([]byte("<repomd>"), -1))
	f := newFetcher(t)
	accept := func(data []byte) error {
		if !bytes.HasPrefix(data, []byte("<repomd")) {
			return errors.New("it is no repomd.xml")
		}
		return nil
	}
	urls := []string{bad.URL + "/repomd.xml", fine.URL + "/repomd.xml"}
	got, err := f.Document(context.Background(), urls, 100, accept)
	if err != nil || got.URL != urls[1] || string(got.Data) != "<repomd>" || got.Old {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := f.Document(context.Background(), urls, 7, accept); err == nil || !strings.Contains(err.Error(), "it is longer than 7 bytes") {
		t.Errorf("error is %v", err)
	}
	offline := &Fetcher{Cache: f.Cache, Offline: true}
	got, err = offline.Document(context.Background(), urls, 100, accept)
	if err != nil || got.URL != urls[1] || string(got.Data) != "<repomd>" || !got.Old {
		t.Errorf("offline: got %+v, %v", got, err)
	}
	if _, err = offline.Document(context.Background(), urls[:1], 100, accept); !errors.Is(err, ErrOffline) {
		t.Errorf("offline: error is %v", err)
	}
}

// Nobody on the way may make us read what has no digest without encryption.
func TestDocumentStaysEncrypted(t *testing.T) {
	open := serve(t, sends([]byte("x"), -1))
	secure := httptest.NewTLSServer(http.RedirectHandler(open.URL, http.StatusFound))
	defer secure.Close()
	f := newFetcher(t)
	f.Client = secure.Client()
	_, err := f.Document(context.Background(), []string{secure.URL}, 10, nil)
	if err == nil || !strings.Contains(err.Error(), "the server leads from https to http") || len(open.requests) > 0 {
		t.Errorf("error is %v", err)
	}
	stranger := newFetcher(t)
	if _, err := stranger.Document(context.Background(), []string{secure.URL}, 10, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error is %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"3": 3 * time.Second, "100000": time.Minute, "soon": 0, "-1": 0, "Wed, 21 Oct 2015 07:28:00 GMT": 0} {
		err := answer(&http.Response{StatusCode: 503, Status: "503", Header: http.Header{"Retry-After": {header}}})
		if got := retryAfter(err); got != want {
			t.Errorf("%q: wait %v, want %v", header, got, want)
		}
	}
}
