package kickstart

import (
	"slices"
	"strings"
	"testing"
)

// Every release's table can be built, and all that it names exists.
func TestTables(t *testing.T) {
	for _, s := range Syntaxes() {
		table := s.table()
		for spelling, c := range table.commands {
			for _, other := range c.conflicts {
				if table.commands[other] == nil {
					t.Errorf("%s: %s conflicts with %s, which does not exist", s, spelling, other)
				}
			}
			for _, r := range c.rules {
				for _, name := range append(slices.Clone(r.objects), r.subject) {
					if strings.HasPrefix(name, "--") && c.options[name] == nil {
						t.Errorf("%s: %s has a rule about %s, which does not exist", s, spelling, name)
					}
				}
			}
			for name, o := range c.options {
				if o.option.short != nil && c.options[o.option.short.Name] == nil {
					t.Errorf("%s: %s %s is short for %s, which does not exist", s, spelling, name, o.option.short.Name)
				}
			}
		}
	}
}

// A check without a command would never run.
func TestChecksHaveCommands(t *testing.T) {
	for name := range checks {
		if !slices.ContainsFunc(Syntaxes(), func(s Syntax) bool { return s.table().commands[name] != nil }) {
			t.Errorf("there is a check for %q, but no release has the command", name)
		}
	}
}

func TestParseSyntax(t *testing.T) {
	for name, want := range map[string]Syntax{
		"F43": "F43", "f43": "F43", "RHEL10": "RHEL10", "Fedora 43": "F43", "fedora release 43": "F43",
		"Red Hat Enterprise Linux 9.4": "RHEL9", "DEVEL": Newest(), "main": Newest(), " F41 ": "F41",
	} {
		if got, err := ParseSyntax(name); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "F12", "RHEL5", "F", "Fedora 12", "43"} {
		if got, err := ParseSyntax(name); err == nil {
			t.Errorf("%q is taken for %q", name, got)
		}
	}
}

// What changed in a release: the line is accepted, with a warning, or refused.
func TestReleases(t *testing.T) {
	const ok, warns, refused = "ok", "warns", "refused"
	for _, tt := range []struct {
		line string
		want map[Syntax]string
	}{
		{"install", map[Syntax]string{"F28": ok, "F29": warns, "F34": refused, "F43": refused, "RHEL8": warns, "RHEL9": refused}},
		{"autopart --type=btrfs", map[Syntax]string{"F43": ok, "RHEL8": refused, "RHEL10": refused}},
		{"part / --active", map[Syntax]string{"F28": ok, "F33": warns, "F34": refused, "RHEL8": warns, "RHEL9": refused}},
		{"bootloader --sdboot", map[Syntax]string{"F38": refused, "F39": ok, "RHEL9": refused, "RHEL10": ok}},
		{"rootpw --lock --allow-ssh", map[Syntax]string{"F36": refused, "F37": ok, "RHEL8": refused, "RHEL9": ok}},
		{"timezone --isUtc UTC", map[Syntax]string{"F31": ok, "F32": warns, "F44": warns, "RHEL8": ok, "RHEL10": refused}},
		{"timesource --ntp-pool=p", map[Syntax]string{"F32": refused, "F33": ok, "RHEL8": refused, "RHEL9": ok}},
		{"vnc", map[Syntax]string{"F42": ok, "F43": warns, "RHEL9": ok, "RHEL10": warns}},
		{"nvdimm use --namespace=n", map[Syntax]string{"F39": ok, "F40": warns, "RHEL9": ok, "RHEL10": refused}},
		{"bootc --source-imgref=registry:q", map[Syntax]string{"F42": refused, "F43": ok, "RHEL9": refused, "RHEL10": ok}},
		{"bootc --source-imgref=registry:q --composefs", map[Syntax]string{"F44": refused, "F45": ok}},
		{"module --name=m", map[Syntax]string{"F40": ok, "F41": warns, "F45": refused, "RHEL10": warns}},
		{"syspurpose --role=r", map[Syntax]string{"F43": refused, "RHEL8": ok, "RHEL10": ok}},
		{"updates", map[Syntax]string{"F33": ok, "F34": refused}},
		{"harddrive --dir=/d --biospart=p", map[Syntax]string{"F32": ok, "F33": refused}},
		{"%packages --instLangs=en\n%end", map[Syntax]string{"F31": ok, "F43": warns, "RHEL8": ok, "RHEL10": refused}},
		{"raid / --device=r --level=1 raid.1 --pbkdf=argon2i", map[Syntax]string{"F28": refused, "F29": ok, "RHEL8": ok}},
	} {
		for s, want := range tt.want {
			k, err := parseText(s, tt.line)
			got := ok
			if err != nil {
				got = refused
			} else if len(k.Warnings) > 0 {
				got = warns
			}
			if got != want {
				t.Errorf("%s %q: %s, want %s (%v)", s, tt.line, got, want, err)
			}
		}
	}
}
