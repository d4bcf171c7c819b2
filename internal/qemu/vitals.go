package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Vitals are counters that stand still while a guest waits for something.
type Vitals struct {
	Ran     time.Duration // that QEMU computed, on all processors together
	Starved time.Duration // that it would have computed, had the host had a processor free
	Reads   int64         // operations that read from the disk
	Written int64         // bytes written to it
}

// Vitals reads the counters.
func (g *Guest) Vitals(ctx context.Context) (Vitals, error) {
	var devices []struct {
		Device string
		Stats  struct {
			Reads   int64 `json:"rd_operations"`
			Written int64 `json:"wr_bytes"`
		}
	}
	if err := g.monitor.execute(ctx, "query-blockstats", nil, &devices); err != nil {
		return Vitals{}, err
	}
	var v Vitals
	for _, d := range devices {
		if d.Device == "disk" {
			v.Reads, v.Written = d.Stats.Reads, d.Stats.Written
		}
	}
	v.Ran, v.Starved = schedule(g.process.pid)
	return v, nil
}

// schedule is how long a process's threads ran and waited for a processor.
// What threads had that have ended does not count any more.
func schedule(pid int) (ran, waited time.Duration) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		// Documentation/scheduler/sched-stats.rst of Linux: nanoseconds, nanoseconds, slices.
		var r, w time.Duration
		if _, err := fmt.Sscan(string(text), &r, &w); err == nil {
			ran, waited = ran+r, waited+w
		}
	}
	return ran, waited
}
