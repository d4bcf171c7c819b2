package githubapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/report"
)

const (
	firstPause = 250 * time.Millisecond // after a failure, less for who has little patience; each further one is twice as long
	mostPause  = 20 * time.Second
	unnamed    = time.Minute      // what GitHub's manual asks to wait after a secondary rate limit that names no time
	mostWork   = 60 * time.Second // that one request may take
	mostAnswer = 128 << 20        // bytes
)

// A retrier sends requests with the token, and again after answers and
// failures that pass, as long as its patience lasts.
type retrier struct {
	inner  http.RoundTripper
	host   string // the only one that gets the token
	token  string
	report *report.Report

	mu   sync.Mutex
	left time.Duration // for all pauses together

	first time.Duration // the first pause
}

type onceKey struct{}

// Once marks the requests of a context as not to be repeated blindly: what
// they make would be made twice. Pause decides about them.
func Once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// RoundTrip implements http.RoundTripper. Answers are read whole, so that a
// connection that breaks in the middle of one is tried again, too.
func (t *retrier) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	for attempt := 1; ; attempt++ {
		response, err := t.once(request)
		if ctx.Value(onceKey{}) != nil || !t.pause(ctx, response, err, attempt) {
			return response, err
		}
	}
}

func (t *retrier) once(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), mostWork)
	defer cancel()
	request = request.Clone(ctx)
	if request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		request.Body = body
	}
	if request.URL.Host == t.host {
		request.Header.Set("Authorization", "Bearer "+t.token)
	}
	response, err := t.inner.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > mostAnswer {
		return nil, fmt.Errorf("the answer is longer than %d MiB", mostAnswer>>20)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if !limited(response) {
		// The library would remember what is left, which it takes for nothing
		// where that is not said, and refuse the next request by itself.
		response.Header.Del("X-RateLimit-Remaining")
		response.Header.Del("X-RateLimit-Reset")
	}
	return response, nil
}

// Pause waits after a request under Once that failed with err, and reports
// whether it can be sent again. attempt counts from 1.
func (r *Repository) Pause(ctx context.Context, err error, attempt int) bool {
	response := answer(err)
	if response != nil {
		err = nil
	}
	return r.retrier.pause(ctx, response, err, attempt)
}

func (t *retrier) pause(ctx context.Context, response *http.Response, err error, attempt int) bool {
	wait, ok := t.passes(response, err, attempt)
	if !ok || ctx.Err() != nil {
		return false
	}
	t.mu.Lock()
	enough := wait <= t.left
	if enough {
		t.left -= wait
	}
	t.mu.Unlock()
	if !enough {
		return false
	}
	if wait >= time.Second {
		t.report.Printf("%s: waiting %s", cause(response), wait.Round(time.Second))
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

func cause(response *http.Response) string {
	switch {
	case response == nil:
		return "GitHub cannot be reached"
	case limited(response):
		return "GitHub asks for a pause (rate limit)"
	}
	return "GitHub answers " + strconv.Itoa(response.StatusCode)
}

// passes reports whether a failure goes away, and how long to wait before the next attempt.
func (t *retrier) passes(response *http.Response, err error, attempt int) (time.Duration, bool) {
	wait := min(t.first<<min(attempt-1, 10), mostPause)
	wait = wait*3/4 + rand.N(wait/2+1)
	if err != nil {
		return wait, broken(err)
	}
	if response == nil {
		return 0, false
	}
	if limited(response) {
		return max(untilReset(response), wait), true // a server that asks for no pause, for ever, costs patience, too
	}
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if asked, ok := retryAfter(response); ok {
			wait = max(asked, wait)
		}
		return wait, true
	}
	return 0, false
}

// limited reports whether GitHub refuses because of a rate limit, primary or
// secondary (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
func limited(response *http.Response) bool {
	switch response.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden:
		_, asked := retryAfter(response)
		return asked || response.Header.Get("X-RateLimit-Remaining") == "0" || saysLimit(response)
	}
	return false
}

// saysLimit reads what a refusal says, and leaves it to be read.
func saysLimit(response *http.Response) bool {
	body, _ := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	text := strings.ToLower(string(body))
	return strings.Contains(text, "secondary rate limit") || strings.Contains(text, "abuse detection")
}

// untilReset is how long a rate limit lasts.
func untilReset(response *http.Response) time.Duration {
	if wait, ok := retryAfter(response); ok {
		return wait
	}
	reset, err := strconv.ParseInt(response.Header.Get("X-RateLimit-Reset"), 10, 64)
	if err == nil && response.Header.Get("X-RateLimit-Remaining") == "0" {
		if wait := time.Until(time.Unix(reset, 0)); wait > 0 {
			return wait + time.Second // clocks differ
		}
		return 0
	}
	return unnamed
}

func retryAfter(response *http.Response) (time.Duration, bool) {
	text := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 1<<30)) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0), true
	}
	return 0, false
}

// broken reports whether the network failed, in a way that may pass.
func broken(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return false
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "server closed idle connection")
}

// answer is what GitHub answered where the library made an error of it, or nil.
func answer(err error) *http.Response {
	if e, ok := errors.AsType[*github.RateLimitError](err); ok {
		return e.Response
	}
	if e, ok := errors.AsType[*github.AbuseRateLimitError](err); ok {
		return e.Response
	}
	if e, ok := errors.AsType[*github.ErrorResponse](err); ok {
		return e.Response
	}
	return nil
}
