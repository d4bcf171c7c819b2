package account

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Patience is how long a call is tried.
type Patience struct {
	Attempt time.Duration // most time that one attempt takes
	Tries   int           // attempts before an outage is believed …
	Outage  time.Duration // … and how long it has to last
	Unseen  time.Duration // how long what was just made may not be seen
	Settle  time.Duration // how long it may be called by its old state
	First   time.Duration // pause before the second attempt; it doubles, with jitter, up to
	Longest time.Duration // this
}

// DefaultPatience is for AWS as it is: requests that hang are cut off and made
// again, and what was made shows within two minutes.
var DefaultPatience = Patience{
	Attempt: 20 * time.Second, Tries: 5, Outage: 2 * time.Minute, Unseen: 5 * time.Minute, Settle: 2 * time.Minute, First: 50 * time.Millisecond, Longest: 15 * time.Second,
}

// Pause is how long to wait before attempt n, which counts from 1.
func (p Patience) Pause(n int) time.Duration {
	d := p.Longest
	if n < 30 {
		d = min(p.First<<(n-1), p.Longest)
	}
	return d/2 + rand.N(d/2+1)
}

// Sleep waits, unless ctx ends before.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Call makes a call until it succeeds, for as long as that can help: for ever
// while AWS throttles, for some minutes through an outage or where the code of
// the error is one of unseen, which AWS gives for what it has just made. what
// says what is being done, for the error.
func Call[T any](ctx context.Context, r *Region, what string, call func(context.Context) (T, error), unseen ...string) (T, error) {
	p := r.patience()
	began, tries, refreshed := time.Now(), 0, false
	for n := 1; ; n++ {
		attempt, cancel := context.WithTimeout(ctx, p.Attempt)
		v, err := call(attempt)
		cancel()
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		again := false
		switch kind := Kind(err); {
		case slices.Contains(unseen, Code(err)):
			again = time.Since(began) < p.Unseen
		case kind == Throttled:
			again = true
		case kind == Outage:
			tries++
			again = tries < p.Tries || time.Since(began) < p.Outage
		case kind == Expired && !refreshed:
			refreshed = true
			again = r.account.refresh(ctx)
		}
		if !again {
			return v, r.explain(what, err)
		}
		if err := Sleep(ctx, p.Pause(n)); err != nil {
			return v, err
		}
	}
}

// ErrTooLong says that AWS did not get something ready in time.
var ErrTooLong = errors.New("it takes too long")

// Wait asks done again and again, at growing intervals, until it is true or an
// error, for at most as long as said.
func Wait(ctx context.Context, r *Region, most time.Duration, done func(context.Context) (bool, error)) error {
	began := time.Now()
	for n := 1; ; n++ {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		if time.Since(began) > most {
			return fmt.Errorf("%w: more than %s", ErrTooLong, most)
		}
		if err := Sleep(ctx, r.patience().Pause(n)); err != nil {
			return err
		}
	}
}

// Settling is how long AWS may contradict itself about what was just changed.
func (r *Region) Settling() time.Duration { return r.patience().Settle }
