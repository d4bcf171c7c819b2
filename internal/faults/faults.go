// Package faults stands between a client and a real server in tests, and
// makes the way there bad: connections are reset, requests answered with 429
// and 503, answers changed.
package faults

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Handler stands before the server at target, a host and port. before sees each request first; if it returns true it has answered it.
// after may change the answers of the others; both may be nil. It returns the host and port to speak to.
func Handler(t testing.TB, target string, before func(http.ResponseWriter, *http.Request) bool, after func(*http.Response) error) string {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			r.Out.Host = r.In.Host // it is in signatures and redirects
		},
		ModifyResponse: after,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// Storm answers a share of the requests with 429 or 503.
func Storm(t testing.TB, target string, share float64, seed uint64) (host string, refused *atomic.Int64) {
	t.Helper()
	refused = new(atomic.Int64)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	return Handler(t, target, func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if random.Float64() >= share {
			return false
		}
		refused.Add(1)
		if random.IntN(2) == 0 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		} else {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return true
	}, nil), refused
}

// Reset passes bytes on, and resets each connection after a random number of
// them, most at the highest, in either direction.
func Reset(t testing.TB, target string, most int64, seed uint64) (host string, resets *atomic.Int64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	return Cut(t, target, func() int64 { return 1 + random.Int64N(most) })
}

// Cut passes bytes on, and resets each connection after as many as after says, which is asked once for each.
func Cut(t testing.TB, target string, after func() int64) (host string, resets *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	resets = new(atomic.Int64)
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			left := new(atomic.Int64)
			left.Store(after())
			go reset(in.(*net.TCPConn), target, left, resets)
		}
	}()
	return listener.Addr().String(), resets
}

func reset(in *net.TCPConn, target string, left, resets *atomic.Int64) {
	out, err := net.Dial("tcp", target)
	if err != nil {
		in.Close()
		return
	}
	var ended sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		ended.Go(func() {
			defer in.Close()
			defer out.Close()
			buffer := make([]byte, 4096)
			for {
				n, err := way[0].Read(buffer)
				if n > 0 && left.Add(-int64(n)) < 0 {
					resets.Add(1)
					in.SetLinger(0) // so that closing sends a reset
					return
				}
				if _, werr := way[1].Write(buffer[:n]); err != nil || werr != nil {
					return
				}
			}
		})
	}
	ended.Wait()
}

// Corrupt returns r with one bit of its first bytes changed.
func Corrupt(r io.ReadCloser) io.ReadCloser { return &corrupt{ReadCloser: r} }

type corrupt struct {
	io.ReadCloser
	done bool
}

func (c *corrupt) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 && !c.done {
		c.done = true
		p[0] ^= 1
	}
	return n, err
}
