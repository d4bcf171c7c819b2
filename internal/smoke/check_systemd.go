package smoke

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/report"
)

var systemdChecks = []check{
	{"systemd", "error", []string{"systemd"}, systemdState},
	{"failed-units", "error", []string{"systemd"}, failedUnits},
	{"boot-time", "warning", []string{"systemd"}, bootTime},
}

// errStuck ends the wait for a boot that does not get on.
var errStuck = errors.New("the boot does not get on")

// systemdState waits for the end of the boot.
func systemdState(ctx context.Context, g *guest) (string, error) {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for waiting.Err() == nil {
			if g.resting() >= g.limits.rest {
				cancel(errStuck)
			}
			sleep(waiting, time.Second)
		}
	}()
	out, err := g.shell.run(waiting, "systemctl is-system-running --wait", 5*g.limit)
	if errors.Is(err, errStuck) || errors.Is(err, errSlow) {
		return "", g.unfinished(ctx)
	} else if err != nil {
		return "", err
	}
	state := strings.TrimSpace(out.stdout)
	switch state {
	case "running":
		return state, nil
	case "degraded":
		units, err := g.failed(ctx)
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("systemd is degraded, these units failed: %s", list(units))
	}
	return "", fmt.Errorf("systemd is %q after the boot", brief(state))
}

// unfinished names the jobs that a boot without an end waits for.
func (g *guest) unfinished(ctx context.Context) error {
	jobs, err := g.ask(ctx, "systemctl list-jobs --no-legend --plain")
	if err != nil {
		return err
	}
	var running []string
	for line := range strings.Lines(jobs) { // JOB UNIT TYPE STATE
		if f := strings.Fields(line); len(f) == 4 && f[3] == "running" {
			running = append(running, f[1])
		}
	}
	return faultf("boot-not-finished", "the boot does not end: the guest waits for %s and has been idle for %s",
		list(running), report.Seconds(g.resting()))
}

// failed lists the failed units, each with what its main process came to.
func (g *guest) failed(ctx context.Context) ([]string, error) {
	text, err := g.ask(ctx, `systemctl list-units --failed --no-legend --plain --full | while read -r unit rest; do
	echo "$unit ($(systemctl show -P Result "$unit"), status $(systemctl show -P ExecMainStatus "$unit"))"; done`)
	if err != nil {
		return nil, err
	}
	var units []string
	for line := range strings.Lines(text) {
		units = append(units, brief(line))
	}
	return units, nil
}

func failedUnits(ctx context.Context, g *guest) (string, error) {
	units, err := g.failed(ctx)
	if err != nil {
		return "", err
	}
	if len(units) > 0 {
		return "", fmt.Errorf("failed units: %s", list(units))
	}
	return "none", nil
}

func bootTime(ctx context.Context, g *guest) (string, error) {
	text, err := g.ask(ctx, "systemd-analyze time")
	line, _, _ := strings.Cut(text, "\n")
	return brief(line), err
}
