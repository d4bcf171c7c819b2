package smoke

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/qemu"
)

// A check is a question to the booted guest that has nothing to do with what the image is for.
type check struct {
	name     string
	severity string
	needs    []string // of the guest: "root", or what probe found; without them the check is skipped
	ask      func(context.Context, *guest) (message string, err error)
}

// checks are asked in this order; the first that fails is the cause.
var checks = slices.Concat(systemdChecks, cloudInitChecks, diskChecks, identityChecks, accountChecks, logChecks)

// Checks are the names of the built-in checks, which a spec can have passed over.
func Checks() []string {
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// A guest is what checks ask.
type guest struct {
	*attempt
	has   map[string]bool // what it is able to: see probe
	limit time.Duration   // for one question
}

// lacks says why a check without the thing is skipped.
var lacks = map[string]string{
	"root":       "nobody can become root to look",
	"systemd":    "the image does not run systemd",
	"journalctl": "the image has no journal",
	"cloud-init": "the image has no cloud-init",
	"rpm":        "the image has no RPM database, or no rpm to read it",
	"sudo":       "the image has no sudo",
	"sshd":       "the image has no OpenSSH server",
	"getenforce": "the image has no SELinux",
	"grows":      "the image has nothing that would grow it",
	"user":       "the login is root's own",
}

// probe finds out what the guest has.
const probe = `PATH=$PATH:/usr/sbin:/sbin
[ ! -d /run/systemd/system ] || echo systemd
for name in journalctl cloud-init sudo sshd getenforce; do ! command -v $name > /dev/null || echo $name; done
[ ! -d /usr/lib/sysimage/rpm ] && [ ! -d /var/lib/rpm ] || ! rpm --version 2> /dev/null | grep -q '^RPM version' || echo rpm
if [ "$(id -u)" = 0 ]; then echo uid0; elif sudo -n true 2> /dev/null; then echo sudoer; fi`

// examine asks all the questions and runs the spec's tests. The error is the
// fault of the first that failed, and is no warning.
func (a *attempt) examine(ctx context.Context) error {
	g := &guest{attempt: a, has: map[string]bool{}, limit: time.Minute}
	if a.machine.Accelerator == qemu.TCG {
		g.limit = 3 * time.Minute
	}
	out, err := a.shell.run(ctx, probe, g.limit)
	if err != nil {
		return faultf("key-refused", "%s logged in and cannot run a command: %v", a.shell.user, err)
	}
	for name := range strings.FieldsSeq(out.stdout) {
		g.has[name] = true
	}
	g.has["root"], g.has["user"] = g.has["uid0"] || g.has["sudoer"], !g.has["uid0"]
	g.has["grows"] = g.has["systemd"] || g.has["cloud-init"]
	if g.has["sudoer"] {
		a.shell.root = "sudo -n "
	}
	var first error
	for _, c := range slices.Concat(checks, specTests(a.image.Smoke.Tests)) {
		r, err := a.conduct(ctx, g, c)
		a.results = append(a.results, r)
		if fault, ok := errors.AsType[*Fault](err); ok && first == nil && c.severity == "error" {
			first = fault
		} else if err != nil && !ok {
			return err
		}
	}
	return first
}

// conduct asks one question. The error is a *Fault if the answer is bad.
func (a *attempt) conduct(ctx context.Context, g *guest, c check) (manifest.Result, error) {
	r := manifest.Result{Name: c.name, Severity: c.severity, Outcome: "skipped"}
	if a.skips(c.name) {
		r.Message = "the spec says so"
		return r, nil
	}
	for _, need := range c.needs {
		if !g.has[need] {
			r.Message = lacks[need]
			return r, nil
		}
	}
	if ctx.Err() != nil {
		r.Message = "the guest did not get that far"
		return r, nil
	}
	a.task.Doing(c.name)
	began := time.Now()
	message, err := c.ask(ctx, g)
	r.Seconds = seconds(time.Since(began))
	if err == nil {
		r.Outcome, r.Message = "passed", message
		return r, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	r.Outcome, r.Message = "failed", err.Error()
	fault, ok := errors.AsType[*Fault](err)
	if !ok {
		fault = &Fault{Code: c.name, Text: err.Error()}
	}
	return r, fault
}

func (a *attempt) skips(name string) bool { return slices.Contains(a.image.Smoke.Skip, name) }

// asRoot runs a script as root and returns what it wrote.
func (g *guest) asRoot(ctx context.Context, script string) (string, error) {
	return g.ask(ctx, g.shell.asRoot(script))
}

// asRootOrUser runs a script as root where that is possible.
func (g *guest) asRootOrUser(ctx context.Context, script string) (string, error) {
	if g.has["root"] {
		return g.asRoot(ctx, script)
	}
	return g.ask(ctx, script)
}

// ask runs a command of the user's and returns what it wrote.
func (g *guest) ask(ctx context.Context, command string) (string, error) {
	out, err := g.shell.run(ctx, command, g.limit)
	if err != nil {
		return "", fmt.Errorf("asking the guest: %w", err)
	}
	if out.exit != 0 {
		return out.stdout, fmt.Errorf("exit status %d: %s", out.exit, lastLine(out.stderr))
	}
	return out.stdout, nil
}

// lastLine is the last line of a text that says anything, which tends to be the error.
func lastLine(text string) string {
	last := ""
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, maxOutput+1)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			last = line
		}
	}
	return brief(last)
}

// brief is a text of the guest's for a message: one line of bounded length.
func brief(text string) string {
	text = strings.Join(strings.Fields(printable(text)), " ")
	const most = 300
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + " …"
	}
	return text
}

// list is up to five things for a message, and how many more there are.
func list(things []string) string {
	const most = 5
	if len(things) <= most {
		return strings.Join(things, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(things[:most], "; "), len(things)-most)
}
