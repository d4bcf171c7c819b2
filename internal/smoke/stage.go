package smoke

import (
	"regexp"
	"strings"
)

// A sign is a message that tells how far a boot has got.
type sign struct {
	pattern *regexp.Regexp
	stage   string // in which $1 is the first group of pattern; empty if there is no stage of that name
	learn   func(*facts, []string)
}

// signs are looked for in this order; all that fit count.
var signs = []sign{
	{regexp.MustCompile(`^(?:Welcome to GRUB|GRUB loading|Booting from Hard Disk|BdsDxe: starting|Booting ` + "`)"), bootLoader, nil},
	{regexp.MustCompile(`^Linux version (\S+)`), "kernel $1", func(f *facts, m []string) {
		f.Kernel = true
		f.system(m[0])
	}},
	{regexp.MustCompile(`^Run (/init|/sbin/init) as init process`), "initrd", func(f *facts, m []string) { f.Initrd = m[1] == "/init" }},
	{regexp.MustCompile(`^(?:systemd\[1\]: )?Running in init(?:rd|ial RAM)`), "initrd", func(f *facts, _ []string) { f.Initrd = true }},
	{regexp.MustCompile(`(?i)switch(?:ed|ing)[- ]root|initrd-switch-root`), "switching root", func(f *facts, _ []string) { f.Initrd = false }},
	{regexp.MustCompile(`^(?:systemd\[1\]: )?Welcome to ([^G].*?|G[^R].*?)!?$`), "systemd: $1", func(f *facts, m []string) {
		f.system(m[1])
		f.Initrd = f.Initrd && strings.Contains(strings.ToLower(m[1]), "initramfs")
	}},
	{regexp.MustCompile(`^\[ *OK *\] Reached target (.*?)\.?$`), "systemd: reached $1", nil},
	{regexp.MustCompile(`^Starting (.*?)\.\.\.$`), "systemd: starting $1", nil},
	{regexp.MustCompile(`^(?:\[FAILED\]|\[DEPEND\]|\[ TIME \]) (.*?)\.?$`), "", func(f *facts, m []string) { f.fail(m[1]) }},
	{regexp.MustCompile(`^error: (.*?)\.?$`), "", func(f *facts, m []string) { f.fail(m[1]) }},
	{regexp.MustCompile(`(?:Waiting for (root (?:file system|device).*?)|Expecting device (.*?))(?: *\.\.\.)*$`), "", func(f *facts, m []string) { f.Waiting = m[1] + m[2] }},
	{regexp.MustCompile(`Cloud-init v\. \S+ running '([^']+)'`), "cloud-init: $1", func(f *facts, _ []string) { f.CloudInit = true }},
	{regexp.MustCompile(`Cloud-init v\. \S+ finished`), "cloud-init: finished", func(f *facts, _ []string) { f.CloudInit = true }},
	{regexp.MustCompile(`Authorized keys from \S+ for user (\S+?)\+*$`), "", func(f *facts, m []string) { f.User = m[1] }},
	{regexp.MustCompile(`^(.* \d[\w.]* \(.*\)|Debian GNU/Linux .*|Ubuntu .*) ?(?:\S+ )?tty(?:S|AMA)0$`), "", func(f *facts, m []string) { f.system(m[1]) }},
}

// note learns from a message how far the boot has got.
func (c *console) note(message string) {
	for _, s := range signs {
		m := s.pattern.FindStringSubmatchIndex(message)
		if m == nil {
			continue
		}
		if s.stage != "" {
			c.stage(string(s.pattern.ExpandString(nil, s.stage, message, m)))
		}
		if s.learn != nil {
			s.learn(&c.facts, s.pattern.FindStringSubmatch(message))
		}
	}
}

// bootLoader is the stage between the firmware and the kernel.
const bootLoader = "boot loader"

func (f *facts) fail(what string) {
	if len(f.Failures) < maxFailures {
		f.Failures = append(f.Failures, what)
	}
}

// system learns the operating system from its name or from its kernel's.
func (f *facts) system(text string) {
	if name := distribution(text); name != "" {
		f.System = name
	}
}
