package snapshot

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// An event is something that happens to a worker's block.
type event struct {
	at   time.Duration
	what int
	good bool // AWS took the block
}

const (
	asks    = iota // the worker asks the pacer whether its block may go
	arrives        // the block is with AWS
	answer         // AWS's answer is with the worker
)

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// A simulation is of workers that write blocks to a service which answers
// after 5 to 35 milliseconds.
type simulation struct {
	workers int
	quota   func(time.Duration) float64 // blocks a second; a tenth of it may come at once
	stalls  time.Duration               // the workers' machine stands still about five times a second, for this long at most

	took, refused int
}

// run counts what the service takes and refuses from the time from to the time to.
func (s *simulation) run(from, to time.Duration) {
	start := time.Unix(0, 0)
	random := rand.New(rand.NewPCG(1, 1))
	way := func() time.Duration { return time.Duration(2500+random.IntN(15000)) * time.Microsecond }
	p := new(pacer)
	var all events
	ask := func(at time.Duration, again bool) {
		if pause := p.slot(start.Add(at), again); pause > 0 {
			heap.Push(&all, event{at: at + pause})
		} else {
			heap.Push(&all, event{at: at + way(), what: arrives})
		}
	}
	for range s.workers {
		ask(0, false)
	}
	tokens, last := 0.0, time.Duration(0)
	var stalled, next time.Duration // when the last stall ends, and the next one begins
	for {
		e := heap.Pop(&all).(event)
		if e.at > to {
			return
		}
		if s.stalls > 0 && e.at >= next {
			stalled = next + time.Duration(random.Int64N(int64(s.stalls)))
			next = stalled + time.Duration(random.Int64N(int64(400*time.Millisecond)))
		}
		if e.what != arrives && e.at < stalled {
			e.at = stalled
			heap.Push(&all, e)
			continue
		}
		switch e.what {
		case asks:
			ask(e.at, true)
		case arrives:
			rate := s.quota(e.at)
			tokens = min(rate/10, tokens+rate*(e.at-last).Seconds())
			last = e.at
			good := tokens >= 1
			if good {
				tokens--
			}
			if e.at >= from && good {
				s.took++
			} else if e.at >= from {
				s.refused++
			}
			heap.Push(&all, event{e.at + way(), answer, good})
		case answer:
			p.done(start.Add(e.at), e.good, !e.good)
			ask(e.at, false)
		}
	}
}

func constant(rate float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return rate }
}

// In simulated time, the workers hold what AWS allows, also on a machine that
// is busy with other things and lets them wait.
func TestPacerHoldsTheQuota(t *testing.T) {
	for _, stalls := range []time.Duration{0, 20 * time.Millisecond, 80 * time.Millisecond} {
		for _, workers := range []int{64, 256} {
			for _, quota := range []float64{100, 1000} {
				const seconds = 20
				s := simulation{workers: workers, quota: constant(quota), stalls: stalls}
				s.run(time.Second, (1+seconds)*time.Second)
				held := float64(s.took) / seconds / quota
				t.Logf("%d workers, stalls of %v: %.1f %% of %v blocks a second held, %d refused", workers, stalls, 100*held, quota, s.refused)
				if held < 0.95 {
					t.Errorf("%d workers, stalls of %v: %.1f %% of %v blocks a second held", workers, stalls, 100*held, quota)
				}
				if s.refused > s.took/20 {
					t.Errorf("%d workers, stalls of %v: %d blocks were taken and %d refused", workers, stalls, s.took, s.refused)
				}
			}
		}
	}
}

// After a time in which AWS takes next to nothing, and where it comes to take
// more, the rate follows.
func TestPacerRecovers(t *testing.T) {
	outage := simulation{workers: 64, quota: func(now time.Duration) float64 {
		if now > 5*time.Second && now < 15*time.Second {
			return 5
		}
		return 1000
	}}
	if outage.run(20*time.Second, 30*time.Second); outage.took < 9500 {
		t.Errorf("after an outage it writes %d blocks in ten seconds of 10000", outage.took)
	}
	rising := simulation{workers: 64, quota: func(now time.Duration) float64 {
		if now > 5*time.Second {
			return 1000
		}
		return 500
	}}
	if rising.run(45*time.Second, 55*time.Second); rising.took < 9500 {
		t.Errorf("after the quota was raised it writes %d blocks in ten seconds of 10000", rising.took)
	}
}
