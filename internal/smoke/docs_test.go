package smoke

import (
	"os"
	"strings"
	"testing"
)

// The manual has every check and every cause.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/smoke.md")
	if err != nil {
		t.Fatal(err)
	}
	names := Checks()
	for name := range Causes {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/smoke.md does not mention %s", name)
		}
	}
	for _, c := range checks {
		if !strings.Contains(string(text), "| `"+c.name+"` | "+c.severity+" |") {
			t.Errorf("docs/smoke.md says something else of the severity of %s, which is %s", c.name, c.severity)
		}
	}
}
