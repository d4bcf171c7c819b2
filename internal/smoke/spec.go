package smoke

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/near"
)

// specTests makes checks of the spec's tests.
func specTests(tests []manifest.SmokeTest) []check {
	var all []check
	for _, t := range tests {
		severity := t.Severity
		if severity == "" {
			severity = "error"
		}
		all = append(all, check{t.Name, severity, nil, func(ctx context.Context, g *guest) (string, error) {
			limit := time.Duration(t.Timeout)
			if limit == 0 {
				limit = g.limit
			}
			out, err := g.shell.run(ctx, t.Command, limit)
			if err != nil {
				return "", fmt.Errorf("test %q: %w", t.Name, err)
			}
			return "", judgeTest(t, out)
		}})
	}
	return all
}

// judgeTest compares what a test's command did with what it was to do. As in a
// shell's $(…), newlines at the end of the output do not count.
func judgeTest(t manifest.SmokeTest, out output) error {
	if out.exit != t.Exit {
		err := fmt.Errorf("test %q: exit status %d instead of %d", t.Name, out.exit, t.Exit)
		if said := lastLine(out.stdout + "\n" + out.stderr); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return err
	}
	if t.Stdout == "" {
		return nil
	}
	pattern, err := regexp.Compile(t.Stdout)
	if err != nil {
		return fmt.Errorf("test %q: %w", t.Name, err)
	}
	if !pattern.MatchString(strings.TrimRight(out.stdout, "\n")) {
		return fmt.Errorf("test %q: it printed %q, which does not match %q", t.Name, brief(out.stdout), t.Stdout)
	}
	return nil
}

// Validate reports what is wrong with a spec's tests before anything is booted for them.
func Validate(s manifest.Smoke) error {
	for i, t := range s.Tests {
		if t.Name == "" || t.Command == "" {
			return fmt.Errorf("smoke.tests[%d] needs a name and a command", i)
		}
		if _, err := regexp.Compile(t.Stdout); err != nil {
			return fmt.Errorf("smoke.tests[%d] (%q): stdout: %w", i, t.Name, err)
		}
		if t.Severity != "" && t.Severity != "error" && t.Severity != "warning" {
			return fmt.Errorf("smoke.tests[%d] (%q): severity is %q, it can be error or warning", i, t.Name, t.Severity)
		}
	}
	for i, name := range s.Skip {
		if slices.ContainsFunc(s.Tests, func(t manifest.SmokeTest) bool { return t.Name == name }) {
			continue
		}
		if err := Skippable(name); err != nil {
			return fmt.Errorf("smoke.skip[%d]: %w", i, err)
		}
	}
	for i, a := range s.Allow {
		if _, err := regexp.Compile(a); err != nil {
			return fmt.Errorf("smoke.allow[%d]: %w", i, err)
		}
	}
	return nil
}

// Skippable returns an error unless name is that of a check or a cause.
func Skippable(name string) error {
	names := append(Checks(), slices.Sorted(maps.Keys(Causes))...)
	if slices.Contains(names, name) {
		return nil
	}
	err := fmt.Errorf("there is no check or cause %q", name)
	if meant, ok := near.Name(name, names); ok {
		return hint.Wrap(err, "did you mean %s?", meant)
	}
	return hint.Wrap(err, "the checks are %s", strings.Join(Checks(), ", "))
}
