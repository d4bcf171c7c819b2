package clitest

import (
	"os"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/hint"
	"github.com/rogpeppe/go-internal/testscript"
)

// errorsPage lists what the commands say when something is wrong, relative to
// the folder of a command or of a package in internal.
const errorsPage = "../../docs/errors.md"

// Printed is what a command prints for an error.
func Printed(command string, err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		text := ""
		for _, err := range joined.Unwrap() {
			text += Printed(command, err)
		}
		return text
	}
	text := command + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+command+": ") + "\n"
	for _, h := range hint.Of(err) {
		text += command + ": hint: " + h + "\n"
	}
	return text
}

// Documented checks that docs/errors.md has every line that a command printed.
func Documented(t testing.TB, printed string) {
	t.Helper()
	page, err := os.ReadFile(errorsPage)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(printed) {
		if !listed(string(page), strings.TrimSpace(line)) {
			t.Errorf("docs/errors.md does not have:\n%s", line)
		}
	}
}

// documented checks that docs/errors.md has every line on standard error of the last command.
func documented(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: documented")
	}
	page, err := os.ReadFile(errorsPage)
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if !listed(string(page), strings.TrimSpace(line)) {
			ts.Fatalf("docs/errors.md does not have:\n%s", line)
		}
	}
}

// listed reports whether a page has a line, in which "…" stands for anything.
func listed(page, line string) bool {
	for documented := range strings.Lines(page) {
		if matches(strings.TrimSpace(documented), line) {
			return true
		}
	}
	return false
}

func matches(pattern, line string) bool {
	parts := strings.Split(pattern, "…")
	rest, ok := strings.CutPrefix(line, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}
