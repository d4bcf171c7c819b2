package githubtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Fault makes requests fail. The zero value harms nothing.
type Fault struct {
	Method, Path string // the beginning of what is harmed: a method, and a path below the repository's; any if empty
	Times        int    // how many requests fail; negative for all
	Status       int    // of the answer; 0 breaks the connection
	Done         bool   // whether what was asked for is done all the same
	Header       map[string]string
	Message      string
}

// Broken stands before a handler and lets requests fail.
type Broken struct {
	http.Handler

	mu     sync.Mutex
	faults []*Fault
	hit    int
}

// Break adds a fault.
func (b *Broken) Break(f Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, &f)
}

// Hit is how many requests failed.
func (b *Broken) Hit() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hit
}

func (b *Broken) next(r *http.Request) *Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	parts := strings.SplitN(r.URL.Path, "/", 5) // "", "repos", owner, name, rest
	rest := ""
	if len(parts) == 5 {
		rest = parts[4]
	}
	for _, f := range b.faults {
		if f.Times != 0 && (f.Method == "" || f.Method == r.Method) && strings.HasPrefix(rest, f.Path) {
			f.Times--
			b.hit++
			return f
		}
	}
	return nil
}

func (b *Broken) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := b.next(r)
	if f == nil {
		b.Handler.ServeHTTP(w, r)
		return
	}
	if f.Done {
		b.Handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	if f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	for key, value := range f.Header {
		w.Header().Set(key, value)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, `{"message": %q, "documentation_url": "https://docs.github.com/rest", "status": "%d"}`, f.Message, f.Status)
}

// RateLimit are the headers of an answer that came too late: the limit is used up for a while.
func RateLimit(until time.Duration) map[string]string {
	return map[string]string{"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.FormatInt(time.Now().Add(until).Unix(), 10)}
}
