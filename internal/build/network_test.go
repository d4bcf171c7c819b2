package build

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
)

// withoutCache gives the bench an empty cache of its own, and little patience.
func (b *bench) withoutCache(t *testing.T) {
	t.Helper()
	c, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b.Fetcher = &fetch.Fetcher{Cache: c, Attempts: 3, Backoff: time.Millisecond, Stall: time.Second}
}

// mirror serves the tiny profile through a filter that may do as it likes.
func (b *bench) mirror(t *testing.T, filter func(http.ResponseWriter, *http.Request, http.Handler)) string {
	t.Helper()
	files := b.tiny.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { filter(w, r, files) }))
	t.Cleanup(server.Close)
	return server.URL
}

// cut sends the first half of an answer and breaks off.
func cut(w http.ResponseWriter, r *http.Request, files http.Handler) {
	files.ServeHTTP(&cutter{ResponseWriter: w, left: 1000}, r)
	panic(http.ErrAbortHandler)
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	c.ResponseWriter.Write(p[:n])
	if c.left == 0 {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func TestBadServers(t *testing.T) {
	fail := func(suffix string, how func(http.ResponseWriter, *http.Request, http.Handler)) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, files http.Handler) {
			if strings.Contains(r.URL.Path, suffix) {
				how(w, r, files)
				return
			}
			files.ServeHTTP(w, r)
		}
	}
	status := func(code int) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, files http.Handler) { w.WriteHeader(code) }
	}
	for name, test := range map[string]struct {
		filter func(http.ResponseWriter, *http.Request, http.Handler)
		want   []string
	}{
		"always breaks off":  {fail("/bash-", cut), []string{"fetching bash-5.3-4.fc43.x86_64: ", "/repo/Packages/b/bash-5.3-4.fc43.x86_64.rpm: unexpected EOF"}},
		"package is gone":    {fail("/bash-", status(404)), []string{"fetching bash-5.3-4.fc43.x86_64: ", "not found (404 Not Found)"}},
		"never answers":      {fail("/bash-", func(w http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }), []string{"fetching bash-5.3-4.fc43.x86_64: ", "no bytes arrived for 1s"}},
		"no repository":      {status(404), []string{`repository "url": fetching repomd.xml: `, "/repo/repodata/repomd.xml: not found (404 Not Found)"}},
		"a login page":       {func(w http.ResponseWriter, r *http.Request, _ http.Handler) { fmt.Fprint(w, "<html><body>Log in") }, []string{`repository "url": `, "repomd.xml"}},
		"no metadata":        {fail("primary", status(404)), []string{`repository "url": `, "primary"}},
		"metadata cut short": {fail("primary", cut), []string{`repository "url": `, "primary"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.withoutCache(t)
			b.fails(t, "url --url="+b.mirror(t, test.filter)+"/repo/\n"+tinyDisk+tinyPackages, test.want...)
		})
	}
	b := newBench(t)
	b.withoutCache(t)
	b.fails(t, "url --url=http://127.0.0.1:1/\n"+tinyDisk+tinyPackages, "connection refused")
	b.fails(t, "url --url=/nowhere\n"+tinyDisk+tinyPackages, "/nowhere/repodata/repomd.xml: not found on this machine")
}

// A mirror that a metalink does not vouch for is not believed.
func TestMetalinkDoesNotMatch(t *testing.T) {
	b := newBench(t)
	b.withoutCache(t)
	url := b.mirror(t, func(w http.ResponseWriter, r *http.Request, files http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/repomd.xml") {
			w.Write([]byte("<repomd/>"))
			return
		}
		files.ServeHTTP(w, r)
	})
	b.fails(t, "url --metalink="+url+"/metalink\n"+tinyDisk+tinyPackages, "repomd.xml: digest does not match with any version of it that the metalink knows")
}

// Files that are not what repomd.xml says are refused.
func TestRepomdDoesNotMatch(t *testing.T) {
	b := newBench(t)
	b.withoutCache(t)
	dir := copyRepo(t, b.tiny.Repo())
	primary, err := filepath.Glob(filepath.Join(dir, "repodata/*primary.xml*"))
	if err != nil || len(primary) != 1 {
		t.Fatal(primary, err)
	}
	flip(t, primary[0])
	text := "url --url=" + dir + "\n" + tinyDisk + tinyPackages
	b.fails(t, text, `repository "url": `, "primary", "digest does not match")
	if err := os.WriteFile(filepath.Join(dir, "repodata/repomd.xml"), []byte("<repomd>\n<data type=\"primary\">\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.fails(t, text, `repository "url": `, "repomd.xml")
	dir = copyRepo(t, b.tiny.Repo())
	flip(t, filepath.Join(dir, "Packages/b/bash-5.3-4.fc43.x86_64.rpm"))
	b.fails(t, "url --url="+dir+"\n"+tinyDisk+tinyPackages, "fetching bash-5.3-4.fc43.x86_64: ", "digest does not match")
}

// A server that breaks off every transfer once is no obstacle: each goes on
// where it was cut. With the cache then full, a build needs no network; with an
// empty one it says what it lacks.
func TestBreaksOffThenOffline(t *testing.T) {
	b := newBench(t)
	b.withoutCache(t)
	var mu sync.Mutex
	begun, resumed, down := map[string]bool{}, 0, false
	text := "url --url=" + b.mirror(t, func(w http.ResponseWriter, r *http.Request, files http.Handler) {
		mu.Lock()
		first := !begun[r.URL.Path]
		begun[r.URL.Path] = true
		if r.Header.Get("Range") != "" {
			resumed++
		}
		if down {
			t.Errorf("it asked for %s", r.URL.Path)
		}
		mu.Unlock()
		if first && strings.HasSuffix(r.URL.Path, ".rpm") {
			cut(w, r, files)
		}
		files.ServeHTTP(w, r)
	}) + "/repo/\n" + tinyDisk + tinyPackages
	online := b.Fetcher
	b.Fetcher = &fetch.Fetcher{Cache: online.Cache, Offline: true}
	b.fails(t, text, `repository "url": fetching repomd.xml: `, "it is not in the cache, and the build is offline", "hint: build once without --offline, with the same cache")
	b.Fetcher = online
	first := b.mustBuild(t, text)
	if resumed < 50 {
		t.Errorf("%d transfers were resumed", resumed)
	}
	want := read(t, first.Path(first.Artifact("raw").Path))
	down = true
	b.Fetcher = &fetch.Fetcher{Cache: online.Cache, Offline: true}
	again := b.mustBuild(t, text)
	if read(t, again.Path(again.Artifact("raw").Path)) != want {
		t.Error("the disk is another one")
	}
}
