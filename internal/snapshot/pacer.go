package snapshot

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/account"
)

// A pacer keeps the workers at the rate that AWS takes. The rate grows while
// workers wait for it: quickly while it is far from where AWS throttled
// before, slowly near that, so that it stays close to the limit and finds a
// higher one.
//
// By how much it is cut is up to the share of the blocks that AWS refused, and
// not to how many it took in some time: a machine that is busy with other
// things sends fewer for a moment, and that says nothing of the limit. What it
// missed meanwhile it makes up for, as AWS does not count blocks one by one.
type pacer struct {
	mu      sync.Mutex
	rate    float64   // blocks a second
	credit  float64   // blocks that may go now
	waiting int       // workers whose block may not go yet
	reached float64   // the rate at which AWS throttled; 0 while it is not known
	grown   time.Time // when rate and credit were brought up to date
	cut     time.Time // when the rate was cut last, or the first block asked

	good, bad int // blocks that AWS took and refused since then
}

const (
	first   = 500.0                  // blocks a second to begin with, half of AWS's usual quota
	slowest = 20.0                   // that it never goes below
	measure = 250 * time.Millisecond // between cuts, at least
	settled = time.Second            // between cuts near the limit
	near    = 0.05                   // share of refused blocks up to which the limit is near
	doze    = 50 * time.Millisecond  // after which a worker looks again, as the rate may have grown
	stored  = 0.1                    // seconds' worth of blocks that may go at once
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
	if p.rate == 0 {
		p.rate, p.credit, p.grown, p.cut = first, first*stored, now, now
	}
	p.grow(now)
	if p.credit >= 1 {
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

// grow brings rate and credit up to date. Where workers wait, the rate grows:
// by much while it is far from what was reached before, and near it by little
// at first, and by more the longer AWS does not mind.
func (p *pacer) grow(now time.Time) {
	if seconds := now.Sub(p.grown).Seconds(); seconds > 0 {
		if p.waiting > 0 {
			a := 2.0
			if p.reached > 0 && p.rate > 0.9*p.reached {
				a = min(a, 0.02*math.Exp2(1.6*now.Sub(p.cut).Seconds()))
			}
			p.rate *= 1 + a*min(seconds, 0.5)
		}
		p.credit = min(max(1, p.rate*stored), p.credit+p.rate*seconds)
	}
	p.grown = now
}

// done learns from an attempt that is over: AWS throttled it, or took the block, or neither.
func (p *pacer) done(now time.Time, took, throttled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case took:
		p.good++
	case throttled:
		p.bad++
		p.credit = 0 // AWS has none either
		p.slow(now)
	}
}

// slow cuts the rate, unless that was done a moment ago.
func (p *pacer) slow(now time.Time) {
	since, refused := now.Sub(p.cut), float64(p.bad)/float64(p.good+p.bad)
	if since < measure || refused < near && since < settled {
		return
	}
	before := p.rate
	p.rate = max(slowest, p.rate*(1-min(0.5, refused+0.02)))
	p.reached = p.rate
	if refused < near {
		p.reached = before
	}
	p.good, p.bad, p.cut, p.grown = 0, 0, now, now
}
