package markdown

import (
	"strings"
	"testing"
)

func TestCode(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " ": "", "a b": "`a b`", "a`b|c\\d": "`a\\x60b\\x7cc\\x5cd`", "a\nb\x1b": "`a\\nb\\x1b`", "##[error]": "`## [error]`",
	} {
		if got := Code(in); got != want {
			t.Errorf("Code(%q) is %s, want %s", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	text := strings.Repeat("line\n", 100)
	if got := Cut(text, len(text), "."); got != text {
		t.Error("what fits was cut")
	}
	for most := 60; most < len(text); most++ {
		got := Cut(text, most, ".")
		if len(got) > most || !strings.Contains(got, " of 100 lines are left out.\n") || !strings.HasPrefix(text, got[:strings.Index(got, "\n**Cut")]) {
			t.Fatalf("cut to %d: %q", most, got)
		}
	}
}
