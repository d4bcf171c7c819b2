package kickstart

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/near"
)

// Syntax names the release whose kickstart syntax is meant, such as "F43" or
// "RHEL10".
type Syntax string

// Syntaxes returns every syntax that is known: Fedora's, then RHEL's, the oldest first.
func Syntaxes() []Syntax {
	var fedora, rhel []Syntax
	for line := range strings.Lines(tablesText) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "release" {
			continue
		}
		if s := Syntax(fields[1]); strings.HasPrefix(fields[1], "RHEL") {
			rhel = append(rhel, s)
		} else {
			fedora = append(fedora, s)
		}
	}
	return append(fedora, rhel...)
}

// Newest is the newest Fedora syntax, which Fedora's main branch uses.
func Newest() Syntax {
	all := Syntaxes()
	last := slices.IndexFunc(all, func(s Syntax) bool { return strings.HasPrefix(string(s), "RHEL") }) - 1
	return all[last]
}

var (
	fedoraName = regexp.MustCompile(`(?i)^fedora\D* (\d+)$`)
	rhelName   = regexp.MustCompile(`(?i)^red hat enterprise linux\D* (\d+)[.\d]*$`)
)

// ParseSyntax returns the syntax of a name as it may stand behind #version=:
// "F43", "RHEL10", "Fedora 43", "Red Hat Enterprise Linux 10", or "DEVEL" or
// "main" for the newest Fedora.
func ParseSyntax(name string) (Syntax, error) {
	s := strings.ToUpper(strings.TrimSpace(name))
	if s == "DEVEL" || s == "MAIN" || s == "RAWHIDE" {
		return Newest(), nil
	}
	if m := fedoraName.FindStringSubmatch(s); m != nil {
		s = "F" + m[1]
	} else if m := rhelName.FindStringSubmatch(s); m != nil {
		s = "RHEL" + m[1]
	}
	all := Syntaxes()
	if slices.Contains(all, Syntax(s)) {
		return Syntax(s), nil
	}
	var names []string
	for _, known := range all {
		names = append(names, string(known))
	}
	err := fmt.Errorf("unknown kickstart syntax %q", name)
	if meant, ok := near.Name(s, names); ok {
		return "", hint.Wrap(err, "did you mean %s? The syntaxes known are %s and DEVEL", meant, strings.Join(names, ", "))
	}
	return "", hint.Wrap(err, "the syntaxes known are %s and DEVEL", strings.Join(names, ", "))
}

// Commands returns the names of the commands that have an effect in the
// syntax, as the tables spell them, sorted. Sections are not among them.
func (s Syntax) Commands() []string {
	names := map[string]bool{}
	for _, c := range s.table().commands {
		if c.state < deprecated && !strings.HasPrefix(c.name, "%") {
			names[c.name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
