package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Vitals are counters that stand still while a guest waits for something.
type Vitals struct {
	Busy    time.Duration // that QEMU computed, or would have if the host had had a processor free
	Disk    int64         // operations on the disk
	Written int64         // bytes written to it
}

// Vitals reads the counters.
func (g *Guest) Vitals(ctx context.Context) (Vitals, error) {
	var devices []struct {
		Device string
		Stats  struct {
			Reads   int64 `json:"rd_operations"`
			Writes  int64 `json:"wr_operations"`
			Written int64 `json:"wr_bytes"`
		}
	}
	if err := g.monitor.execute(ctx, "query-blockstats", nil, &devices); err != nil {
		return Vitals{}, err
	}
	var v Vitals
	for _, d := range devices {
		if d.Device == "disk" {
			v.Disk = d.Stats.Reads + d.Stats.Writes
			v.Written = d.Stats.Written
		}
	}
	v.Busy = busy(g.process.pid)
	return v, nil
}

// busy is how long a process's threads ran or waited for a processor.
func busy(pid int) time.Duration {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		// Documentation/scheduler/sched-stats.rst: nanoseconds running, nanoseconds waiting, slices.
		var running, waiting, slices int64
		if _, err := fmt.Fscan(strings.NewReader(string(text)), &running, &waiting, &slices); err == nil {
			sum += time.Duration(running + waiting)
		}
	}
	return sum
}
