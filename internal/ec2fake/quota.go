package ec2fake

import (
	"sync"
	"time"
)

// A bucket is a token bucket: rate tokens a second flow in, up to burst.
type bucket struct {
	rate, burst float64
	left        float64
	at          time.Time
}

func (b *bucket) take(now time.Time) bool {
	if b.at.IsZero() {
		b.left = b.burst
	} else {
		b.left = min(b.burst, b.left+b.rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// rates are what AWS publishes, in requests a second and account and region,
// and how many may come at once. Blocks come evenly: a tenth of a second's at once.
var rates = map[string]struct{ rate, burst float64 }{
	"PutSnapshotBlock":       {}, // its own, see newLimits
	"GetSnapshotBlock":       {1000, 100},
	"ListSnapshotBlocks":     {50, 50},
	"StartSnapshot":          {10, 10},
	"CompleteSnapshot":       {10, 10},
	"CopyImage":              {1, 100},
	"RegisterImage":          {5, 50},
	"DeregisterImage":        {5, 50},
	"DeleteSnapshot":         {5, 100},
	"ModifyImageAttribute":   {5, 50},
	"EnableImageDeprecation": {5, 50},
	"CreateTags":             {10, 100},
	"PutParameter":           {3, 3},
}

// Quotas on what there is at the same time.
const (
	maxPending = 100 // snapshots that were started and not completed
	maxCopies  = 20  // copies into a region
)

type limits struct {
	blocks  float64 // a second that may be written
	mu      sync.Mutex
	buckets map[string]*bucket
}

func newLimits(blocks int) *limits {
	if blocks == 0 {
		blocks = 1000
	}
	return &limits{blocks: float64(blocks), buckets: map[string]*bucket{}}
}

func (l *limits) allow(r *request) bool {
	rate, ok := rates[r.op.name]
	if !ok {
		rate.rate, rate.burst = 20, 100 // what only describes
	}
	if r.op.name == "PutSnapshotBlock" {
		rate.rate, rate.burst = l.blocks, l.blocks/10
	}
	key := r.op.name
	if r.region != nil {
		key += " " + r.region.name
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		b = &bucket{rate: rate.rate, burst: rate.burst}
		l.buckets[key] = b
	}
	return b.take(time.Now())
}

// A Tempo is how fast blocks were written.
type Tempo struct {
	Blocks, Refused int           // that were stored, and that the quota refused
	Took            time.Duration // from the first that was stored to the last

	began time.Time
}

// Tempo tells how fast blocks were written so far.
func (s *Server) Tempo() Tempo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tempo
}

// note keeps count of the blocks.
func (s *Server) note(r *request, refused bool) {
	if r.op.name != "PutSnapshotBlock" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused {
		s.tempo.Refused++
		return
	}
	now := time.Now()
	if s.tempo.Blocks++; s.tempo.Blocks == 1 {
		s.tempo.began = now
	}
	s.tempo.Took = now.Sub(s.tempo.began)
}
