package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Unit is what a task counts.
type Unit int

const (
	Items Unit = iota
	Bytes
)

const (
	frameInterval = 100 * time.Millisecond // between two frames on a terminal
	leastInterval = 5 * time.Second        // between two plain lines of one task, which
	mostInterval  = 30 * time.Second       // grows with the time that the task takes
	worthSaying   = 300 * time.Millisecond // what took less needs no line when it is done
)

// A Task is one piece of long work.
type Task struct {
	report *Report
	title  string
	unit   Unit
	start  time.Time
	said   time.Time // when its last plain line was written; guarded by report.mu

	total atomic.Int64 // 0 while unknown
	done  atomic.Int64
	doing atomic.Pointer[string]
}

// Task begins a piece of work; total is how much there is of it, 0 if unknown.
// End it with Done or Drop.
func (r *Report) Task(title string, total int64, unit Unit) *Task {
	now := time.Now()
	t := &Task{report: r, title: title, unit: unit, start: now, said: now}
	t.total.Store(total)
	if r == nil {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.quiet {
		return t
	}
	r.tasks = append(r.tasks, t)
	if r.stop == nil {
		r.stop = make(chan struct{})
		go r.refresh(r.stop)
	}
	return t
}

// Add says that n more bytes or items are done.
func (t *Task) Add(n int64) { t.done.Add(n) }

// Grow says that there are n more bytes or items to do than was known.
func (t *Task) Grow(n int64) { t.total.Add(n) }

// Set says how much is done and how much there is in all, for work that tells both.
func (t *Task) Set(done, total int64) {
	t.done.Store(done)
	t.total.Store(total)
}

// Doing says what is being worked on at the moment, such as a package's name.
func (t *Task) Doing(what string) {
	what = printable(what)
	t.doing.Store(&what)
}

// Write counts the bytes of p as done, so that a task can stand behind an io.TeeReader.
func (t *Task) Write(p []byte) (int, error) {
	t.Add(int64(len(p)))
	return len(p), nil
}

// Done ends the task and writes what it came to, unless it was over in no time.
// A second call does nothing.
func (t *Task) Done() { t.end(true) }

// Drop ends the task and writes nothing: an error will say why.
// After Done it does nothing, so it can be deferred.
func (t *Task) Drop() { t.end(false) }

func (t *Task) end(finished bool) {
	r := t.report
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.tasks, t)
	if i < 0 {
		return
	}
	r.tasks = slices.Delete(r.tasks, i, i+1)
	if len(r.tasks) == 0 {
		close(r.stop)
		r.stop = nil
	}
	if elapsed := time.Since(t.start); finished && !r.quiet && elapsed >= worthSaying {
		r.print(t.result(elapsed))
	} else {
		io.WriteString(r.w, r.clear())
		r.redraw(time.Now())
	}
	if len(r.tasks) == 0 {
		r.release()
	}
}

// refresh shows the running tasks until stop is closed.
func (r *Report) refresh(stop chan struct{}) {
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			r.mu.Lock()
			if r.stop == stop { // not ended meanwhile
				r.redraw(now)
				r.say(now)
			}
			r.mu.Unlock()
		}
	}
}

// say writes a plain line for each task that has been silent long enough.
// The caller holds mu.
func (r *Report) say(now time.Time) {
	if r.mode == Terminal {
		return
	}
	for _, t := range r.tasks {
		elapsed := now.Sub(t.start)
		if now.Sub(t.said) >= min(max(elapsed/6, leastInterval), mostInterval) {
			t.said = now
			r.print(t.title + ": " + t.status(elapsed))
		}
	}
}

// status is the task's progress in words, after running for the time elapsed.
func (t *Task) status(elapsed time.Duration) string {
	done, total := t.done.Load(), t.total.Load()
	var parts []string
	if total > 0 {
		parts = append(parts, fmt.Sprintf("%d%%", 100*min(done, total)/total), t.unit.amount(done)+" of "+t.unit.amount(total))
	} else if done > 0 {
		parts = append(parts, t.unit.amount(done))
	}
	if t.unit == Bytes && done > 0 && elapsed > time.Second {
		parts = append(parts, rate(done, elapsed))
	}
	if done > 0 && total > done && elapsed > time.Second {
		left := time.Duration(float64(elapsed) * float64(total-done) / float64(done))
		parts = append(parts, Seconds(left)+" left")
	} else {
		parts = append(parts, Seconds(elapsed))
	}
	if doing := t.doing.Load(); doing != nil && *doing != "" {
		parts = append(parts, *doing)
	}
	return strings.Join(parts, ", ")
}

// result is what the finished task came to.
func (t *Task) result(elapsed time.Duration) string {
	text := t.title + ": "
	if done := t.done.Load(); done > 0 {
		text += t.unit.amount(done) + " in "
	}
	text += Seconds(elapsed)
	if done := t.done.Load(); t.unit == Bytes && done > 0 && elapsed > time.Second {
		text += ", " + rate(done, elapsed)
	}
	return text
}

func rate(n int64, elapsed time.Duration) string {
	return Size(int64(float64(n)/elapsed.Seconds())) + "/s"
}

func (u Unit) amount(n int64) string {
	if u == Bytes {
		return Size(n)
	}
	return fmt.Sprint(n)
}

// Size is a number of bytes for people, in powers of 1024: "3.4 MiB".
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1023.95 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[unit])
}

// Seconds is a duration for people: "0.4 s", "38 s", "3 min 20 s", "2 h 5 min".
func Seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	default:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
}
