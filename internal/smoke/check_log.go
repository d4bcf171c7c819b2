package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var logChecks = []check{
	{"kernel-log", "error", []string{"root"}, kernelLog},
	{"systemd-log", "error", []string{"root", "systemd"}, systemdLog},
	{"selinux", "error", []string{"getenforce"}, selinuxMode},
	{"selinux-denials", "warning", []string{"getenforce", "journalctl", "root"}, selinuxDenials},
	{"journal-critical", "error", []string{"journalctl", "root"}, journalCritical},
	{"journal-errors", "warning", []string{"journalctl", "root"}, journalErrors},
}

// kernelLog looks through the kernel's messages, of which the console shows those of some priority only.
func kernelLog(ctx context.Context, g *guest) (string, error) {
	return g.scan(ctx, "dmesg", kernelRules)
}

// systemdLog looks through systemd's messages, which the console stops showing once there is a journal.
func systemdLog(ctx context.Context, g *guest) (string, error) {
	return g.scan(ctx, "journalctl -q -b -o cat --no-pager _PID=1", systemdRules)
}

func (g *guest) scan(ctx context.Context, command string, rules []rule) (string, error) {
	text, err := g.asRoot(ctx, command)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if f := match(rules, stamp.ReplaceAllString(strings.TrimSpace(printable(line)), "")); f != nil && !g.skips(f.Code) {
			return "", f
		}
	}
	return "clean", nil
}

// selinuxLine is the kickstart's command that says what mode SELinux is to be in.
var selinuxLine = regexp.MustCompile(`(?m)^\s*selinux\s.*--(enforcing|permissive|disabled)`)

func selinuxMode(ctx context.Context, g *guest) (string, error) {
	text, err := g.ask(ctx, "PATH=$PATH:/usr/sbin:/sbin getenforce")
	if err != nil {
		return "", err
	}
	mode := brief(text)
	if m := selinuxLine.FindStringSubmatch(g.image.Kickstart); m != nil && !strings.EqualFold(m[1], mode) {
		return "", fmt.Errorf("SELinux is %s, the kickstart says %s", strings.ToLower(mode), m[1])
	}
	return strings.ToLower(mode), nil
}

func selinuxDenials(ctx context.Context, g *guest) (string, error) {
	text, err := g.asRoot(ctx, `journalctl -q -b -o cat --no-pager _TRANSPORT=audit + _TRANSPORT=kernel | grep 'avc: *denied' || :`)
	if err != nil {
		return "", err
	}
	var denials []string
	for line := range strings.Lines(text) {
		denials = append(denials, brief(line))
	}
	if len(denials) > 0 {
		return "", fmt.Errorf("SELinux denied %d times: %s", len(denials), denials[0])
	}
	return "none", nil
}

// An entry is a message of the journal.
type entry struct {
	Message    any    `json:"MESSAGE"` // a string, or a list of bytes if it is not UTF-8
	Identifier string `json:"SYSLOG_IDENTIFIER"`
}

// harmless are journal messages of a virtual machine like ours that say nothing about the image.
var harmless = []*regexp.Regexp{
	regexp.MustCompile(`^kernel: .*(?:SVM|kvm|powernow_k8|Spectre|SRSO|RETBleed|Speculative|MDS|TAA|MMIO Stale|microcode|x86/cpu|TSC|tsc:|clocksource|mce: |hpet|ACPI BIOS|PCI: )`),
	regexp.MustCompile(`^kernel: (?:\[drm\]|bochs-drm|i2c i2c-\d+|i8042|lpc_ich|shpchp|ERST|EDAC|integrity: |ima: |GPT:)`),
	regexp.MustCompile(`^systemd-udevd: .*vmbus`),
}

// journal lists the messages of this boot whose priority is in the range, without those that are allowed.
func (g *guest) journal(ctx context.Context, priorities string) ([]string, error) {
	allowed := slices.Clone(harmless)
	for _, a := range g.image.Smoke.Allow {
		pattern, err := regexp.Compile(a)
		if err != nil {
			return nil, fmt.Errorf("smoke.allow: %w", err)
		}
		allowed = append(allowed, pattern)
	}
	text, err := g.asRoot(ctx, "journalctl -q -b -p "+priorities+" -o json --output-fields=MESSAGE,SYSLOG_IDENTIFIER --no-pager")
	if err != nil {
		return nil, err
	}
	return journalMessages(text, allowed), nil
}

// journalMessages reads entries, a line of JSON each, and returns each message once.
func journalMessages(text string, allowed []*regexp.Regexp) []string {
	var messages []string
	for line := range strings.Lines(text) {
		var e entry
		if json.Unmarshal([]byte(line), &e) != nil {
			continue // the last line, where the text was too long
		}
		body, ok := e.Message.(string)
		if !ok {
			body = "(not text)"
		}
		message := brief(e.Identifier + ": " + body)
		if !slices.Contains(messages, message) && !slices.ContainsFunc(allowed, func(r *regexp.Regexp) bool { return r.MatchString(message) }) {
			messages = append(messages, message)
		}
	}
	return messages
}

func journalCritical(ctx context.Context, g *guest) (string, error) {
	return g.journalCheck(ctx, "emerg..crit", "critical messages")
}

func journalErrors(ctx context.Context, g *guest) (string, error) {
	return g.journalCheck(ctx, "err..err", "errors")
}

func (g *guest) journalCheck(ctx context.Context, priorities, what string) (string, error) {
	messages, err := g.journal(ctx, priorities)
	if err != nil {
		return "", err
	}
	if len(messages) > 0 {
		return "", fmt.Errorf("%d %s in the journal: %s", len(messages), what, list(messages))
	}
	return "none", nil
}
