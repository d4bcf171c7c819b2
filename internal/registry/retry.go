package registry

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// How often and how long a request is tried again: together about a minute,
// longer where the registry says so.
const (
	attempts  = 12
	knocks    = 6 // where nobody listens: a few seconds, in which a server starts again
	mostPause = 10 * time.Second
	mostAsked = time.Minute // that a Retry-After is followed
)

// firstPause is before the second attempt; each further one is twice as long.
var firstPause = 100 * time.Millisecond

// A retrier sends requests again after answers and failures that pass. It is
// below the login, so that asking for a token is tried again, too.
type retrier struct{ inner http.RoundTripper }

type onceKey struct{}

// once marks the requests of a context as not to be repeated blindly: their
// body goes where the last one ended.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// RoundTrip implements http.RoundTripper.
func (t *retrier) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	for attempt := 1; ; attempt++ {
		if request.GetBody != nil { // also when the login sends it again
			body, err := request.GetBody()
			if err != nil {
				return nil, err
			}
			request = request.Clone(ctx)
			request.Body = body
		}
		response, err := t.inner.RoundTrip(request)
		if attempt == attempts || attempt == knocks && errors.Is(err, syscall.ECONNREFUSED) || ctx.Value(onceKey{}) != nil || !passes(response, err) {
			return response, err
		}
		wait := pause(attempt)
		if response != nil {
			wait = asked(response, wait)
			io.CopyN(io.Discard, response.Body, 64<<10)
			response.Body.Close()
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// passes reports whether a failure is of the kind that goes away.
func passes(response *http.Response, err error) bool {
	if err != nil {
		return broken(err)
	}
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// broken reports whether the network failed.
func broken(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	for _, kind := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, kind) {
			return true
		}
	}
	// net/http has no type for these.
	switch err.Error() {
	case "http: server closed idle connection", "net/http: HTTP/1.x transport connection broken":
		return true
	}
	return false
}

// pause is how long to wait after a failed attempt, counted from 1.
func pause(attempt int) time.Duration {
	d := min(firstPause<<(attempt-1), mostPause)
	return d*3/4 + rand.N(d/2)
}

// asked is how long the answer wants its reader to wait, or else usual.
func asked(response *http.Response, usual time.Duration) time.Duration {
	text := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return min(time.Duration(seconds)*time.Second, mostAsked)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), mostAsked)
	}
	return usual
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
