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

// FuzzCode holds that a code span ends where it should and stays in its cell.
func FuzzCode(f *testing.F) {
	for _, s := range []string{"bash", "`", "a|b", "\n", "\\|", "<b>", "@x", "\xff", " ", "\u2028", "##[x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Code(s)
		if strings.TrimSpace(s) == "" && got == "" {
			return
		}
		inner := got[1 : len(got)-1]
		if got[0] != '`' || got[len(got)-1] != '`' || strings.ContainsAny(inner, "`|\n\r") || strings.Contains(got, "##[") {
			t.Errorf("Code(%q) = %q", s, got)
		}
	})
}
