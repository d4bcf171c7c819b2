package snapshot

import (
	"context"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/account"
)

// A pacer keeps the workers at the rate that AWS takes. There is no limit
// until AWS throttles. Then the rate becomes what AWS took in the last second,
// and grows from there: quickly while it is far from what was reached before,
// slowly near it, so that it stays close below the limit and finds a higher one.
type pacer struct {
	mu      sync.Mutex
	rate    float64   // blocks a second; 0 is no limit
	reached float64   // the best rate that AWS throttled at
	next    time.Time // when the next block may go
	grown   time.Time // when the rate changed last
	cut     time.Time // when it was cut last

	window time.Time // since when good counts
	good   int       // blocks that AWS took since then
	took   float64   // blocks a second in the window before
}

const (
	slowest = 20.0                   // blocks a second that it never goes below
	measure = 500 * time.Millisecond // the window
)

// wait waits until the next block may go.
func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	if p.rate == 0 {
		p.mu.Unlock()
		return ctx.Err()
	}
	now := time.Now()
	p.grow(now)
	if p.next.Before(now) {
		p.next = now
	}
	pause := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	p.mu.Unlock()
	if pause < time.Millisecond {
		return ctx.Err()
	}
	return account.Sleep(ctx, pause)
}

// grow raises the rate for the time that has passed.
func (p *pacer) grow(now time.Time) {
	if seconds := now.Sub(p.grown).Seconds(); seconds > 0 {
		a := 0.02
		if p.rate < 0.9*p.reached {
			a = 1
		}
		p.rate *= 1 + a*min(seconds, 1)
	}
	p.grown = now
}

// done learns from an attempt that is over.
func (p *pacer) done(now time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.window.IsZero() {
		p.window = now
	}
	if since := now.Sub(p.window); since >= measure {
		p.took = float64(p.good) / since.Seconds()
		p.window, p.good = now, 0
	}
	if err == nil {
		p.good++
		return
	}
	if account.Kind(err) != account.Throttled || now.Sub(p.cut) < measure {
		return
	}
	took := p.took
	if took == 0 { // within the first window
		took = float64(p.good) / max(now.Sub(p.window).Seconds(), 0.05)
	}
	rate := max(0.99*took, p.rate/2, slowest)
	if p.rate != 0 {
		rate = min(rate, p.rate)
	}
	p.rate, p.reached = rate, max(rate, 0.9*p.reached)
	p.cut, p.grown = now, now
}
