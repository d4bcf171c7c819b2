package smoke

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var identityChecks = []check{
	{"machine-id", "error", []string{"systemd"}, machineID},
	{"host-keys", "error", nil, hostKeys},
	{"clock", "error", nil, clock},
}

// ages prints when the system was booted, and then when each of the files was written, in
// seconds of the epoch.
const ages = `sed -n 's/^btime /boot /p' /proc/stat
for f in %s; do [ ! -e "$f" ] || echo "$f $(stat -c %%Y "$f")"; done`

// older returns the files of the kind that the image brought along, and
// whether there are any others.
func older(text string) (old []string, others bool, err error) {
	boot := int64(0)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		when, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, false, fmt.Errorf("the guest says %q", brief(line))
		}
		switch {
		case name == "boot":
			boot = when
		case when < boot-1: // the kernel rounds the time of its boot
			old = append(old, name)
		default:
			others = true
		}
	}
	if boot == 0 {
		return nil, false, errors.New("the guest does not say when it was booted")
	}
	return old, others, nil
}

var hex32 = regexp.MustCompile(`^[0-9a-f]{32}$`)

func machineID(ctx context.Context, g *guest) (string, error) {
	id, err := g.ask(ctx, "cat /etc/machine-id")
	if err != nil {
		return "", err
	}
	if !hex32.MatchString(strings.TrimSpace(id)) {
		return "", fmt.Errorf("/etc/machine-id holds %q after the boot", brief(id))
	}
	text, err := g.ask(ctx, fmt.Sprintf(ages, "/etc/machine-id"))
	if err != nil {
		return "", err
	}
	if old, _, err := older(text); err != nil {
		return "", err
	} else if len(old) > 0 {
		return "", errors.New("the image brings its machine-id along: all its guests will have the same")
	}
	return "made at the first boot", nil
}

func hostKeys(ctx context.Context, g *guest) (string, error) {
	text, err := g.ask(ctx, fmt.Sprintf(ages, "/etc/ssh/ssh_host_*_key /etc/dropbear/*_host_key"))
	if err != nil {
		return "", err
	}
	old, others, err := older(text)
	switch {
	case err != nil:
		return "", err
	case len(old) > 0:
		return "", fmt.Errorf("the image brings SSH host keys along, the same for all its guests: %s", list(old))
	case !others:
		return "none in the usual places", nil
	}
	return "made at the first boot", nil
}

// slack is how far the guest's clock may be off: as far as Kerberos takes it. A wrong
// time zone is more. Less tells of the host: on a busy one a guest under TCG loses seconds.
const slack = 5 * time.Minute

func clock(ctx context.Context, g *guest) (string, error) {
	before := time.Now()
	text, err := g.ask(ctx, "date +%s")
	after := time.Now()
	if err != nil {
		return "", err
	}
	value, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return "", fmt.Errorf("the guest's clock says %q", brief(text))
	}
	now := time.Unix(value, 0)
	if now.Before(before.Add(-slack)) || now.After(after.Add(slack)) {
		return "", fmt.Errorf("the guest's clock is off by %v", now.Sub(after).Round(time.Second))
	}
	return "right", nil
}
