package snapshot

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/account"
)

// A pacer keeps the workers at the rate that AWS takes. There is no limit
// until AWS throttles. Then the rate becomes what AWS has just taken, and
// grows from there: quickly while it is far from what was reached before,
// slowly near it, so that it stays close to the limit and finds a higher one.
type pacer struct {
	mu      sync.Mutex
	rate    float64   // blocks a second; 0 is no limit
	credit  float64   // blocks that may go now
	waiting int       // workers whose block may not go yet
	reached float64   // the rate at which AWS throttled; 0 while it is not known
	grown   time.Time // when rate and credit were brought up to date
	cut     time.Time // when the rate was cut last

	window time.Time // since when good counts
	good   int       // blocks that AWS took since then
	took   float64   // blocks a second in the window before
}

const (
	slowest = 20.0                   // blocks a second that it never goes below
	measure = 250 * time.Millisecond // the window
	doze    = 50 * time.Millisecond  // after which a worker looks again, as the rate may have grown
)

// wait waits until the next block may go.
func (p *pacer) wait(ctx context.Context) error {
	for again := false; ; again = true {
		pause := p.slot(time.Now(), again)
		if pause == 0 {
			return ctx.Err()
		}
		if err := account.Sleep(ctx, pause); err != nil {
			p.mu.Lock()
			p.waiting--
			p.mu.Unlock()
			return err
		}
	}
}

// slot returns 0 if a block may go now, and otherwise after which time to ask
// again; again says that the worker asked before.
func (p *pacer) slot(now time.Time, again bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate > 0 {
		p.grow(now)
	}
	if p.rate == 0 || p.credit >= 1 {
		p.credit--
		if again {
			p.waiting--
		}
		return 0
	}
	if !again {
		p.waiting++
	}
	seconds := (1 - p.credit + float64(p.waiting)/2) / p.rate
	return min(doze, max(time.Millisecond, time.Duration(seconds*float64(time.Second))))
}

// grow brings rate and credit up to date. The rate grows by much while it is
// far from what was reached before, and near it by little at first, and by
// more the longer AWS does not mind.
func (p *pacer) grow(now time.Time) {
	if seconds := now.Sub(p.grown).Seconds(); seconds > 0 {
		a := 2.0
		if p.reached > 0 && p.rate > 0.9*p.reached {
			a = min(1, 0.02*math.Exp2(now.Sub(p.cut).Seconds()))
		}
		p.rate *= 1 + a*min(seconds, 0.5)
		p.credit = min(max(1, p.rate/50), p.credit+p.rate*seconds)
	}
	p.grown = now
}

// done learns from an attempt that is over: AWS throttled it, or took the block, or neither.
func (p *pacer) done(now time.Time, took, throttled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.window.IsZero() {
		p.window = now
	}
	if since := now.Sub(p.window); since >= measure {
		p.took = float64(p.good) / since.Seconds()
		p.window, p.good = now, 0
	}
	if took {
		p.good++
	}
	if !throttled || now.Sub(p.cut) < measure {
		return
	}
	switch {
	case p.rate == 0 && p.took == 0: // within the first window
		p.rate = max(slowest, float64(p.good)/max(now.Sub(p.window).Seconds(), 0.1))
	case p.rate == 0:
		p.rate, p.reached = max(slowest, p.took), p.took
	case p.took > 0.9*p.rate:
		p.reached = p.rate
		p.rate = max(slowest, 0.97*p.rate)
	default:
		p.rate = max(slowest, p.took, p.rate/2)
		p.reached = max(p.rate, 0.97*p.reached)
	}
	p.credit, p.cut, p.grown = min(p.credit, 0), now, now
}
