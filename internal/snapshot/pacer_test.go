package snapshot

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// An event is something that happens to a worker.
type event struct {
	at   time.Time
	sent bool // it is the answer to a block; otherwise the worker asks the pacer again
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// hold simulates workers that write blocks to a service which takes quota(t)
// blocks a second and answers after 5 to 35 milliseconds, and returns how many
// it took and refused from the time from to the time to.
func hold(workers int, quota func(time.Duration) float64, from, to time.Duration) (took, refused int) {
	start := time.Unix(0, 0)
	random := rand.New(rand.NewPCG(1, 1))
	latency := func() time.Duration { return time.Duration(5+random.IntN(30)) * time.Millisecond }
	p := new(pacer)
	var waiting events
	ask := func(now time.Time, again bool) {
		if pause := p.slot(now, again); pause > 0 {
			heap.Push(&waiting, event{at: now.Add(pause)})
		} else {
			heap.Push(&waiting, event{at: now.Add(latency()), sent: true})
		}
	}
	for range workers {
		ask(start, false)
	}
	tokens, last := 0.0, start
	for {
		e := heap.Pop(&waiting).(event)
		now := e.at.Sub(start)
		if now > to {
			return took, refused
		}
		if !e.sent {
			ask(e.at, true)
			continue
		}
		rate := quota(now)
		tokens = min(rate/10, tokens+rate*e.at.Sub(last).Seconds())
		last = e.at
		good := tokens >= 1
		if good {
			tokens--
		}
		if now >= from {
			if good {
				took++
			} else {
				refused++
			}
		}
		p.done(e.at, good, !good)
		ask(e.at, false)
	}
}

// In simulated time, on a machine that could do more, the workers hold what
// AWS allows.
func TestPacerHoldsTheQuota(t *testing.T) {
	for _, workers := range []int{32, 64, 256} {
		for _, quota := range []float64{100, 1000} {
			const seconds = 20
			took, refused := hold(workers, func(time.Duration) float64 { return quota }, time.Second, (1+seconds)*time.Second)
			held := float64(took) / seconds / quota
			t.Logf("%d workers: %.1f %% of %v blocks a second held, %d refused", workers, 100*held, quota, refused)
			if held < 0.95 {
				t.Errorf("%d workers hold %.1f %% of %v blocks a second", workers, 100*held, quota)
			}
			if refused > took/5 {
				t.Errorf("%d workers: %d blocks were taken and %d refused", workers, took, refused)
			}
		}
	}
}

// After a time in which AWS takes next to nothing, and where it comes to take
// more, the rate follows.
func TestPacerRecovers(t *testing.T) {
	quota := func(now time.Duration) float64 {
		if now > 5*time.Second && now < 15*time.Second {
			return 5
		}
		return 1000
	}
	if took, _ := hold(64, quota, 20*time.Second, 30*time.Second); took < 9500 {
		t.Errorf("after an outage it writes %d blocks in ten seconds of 10000", took)
	}
	rising := func(now time.Duration) float64 {
		if now > 5*time.Second {
			return 1000
		}
		return 500
	}
	if took, _ := hold(64, rising, 45*time.Second, 55*time.Second); took < 9500 {
		t.Errorf("after the quota was raised it writes %d blocks in ten seconds of 10000", took)
	}
}
