package smoke

import (
	"fmt"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/report"
)

// Summary is a table of the tests in Markdown.
func Summary(suites []Suite) string {
	var b strings.Builder
	b.WriteString("### Smoke tests\n\n| image | firmware | verdict | time | cause |\n|---|---|---|---|---|\n")
	for _, s := range suites {
		verdict := "✅ passed"
		if !s.Test.Passed {
			verdict = "❌ " + s.Test.Code
		}
		if n := len(s.Test.Retries); n > 0 {
			verdict += fmt.Sprintf(" (attempt %d)", n+1)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", cell(s.Name), s.Test.Firmware, cell(verdict),
			report.Seconds(time.Duration(s.Test.Seconds*float64(time.Second))), cell(s.Test.Cause))
	}
	return b.String()
}

// cell is text for a table's cell, in which nothing of it is markup: some of it is the guest's.
func cell(text string) string {
	var b strings.Builder
	for _, c := range brief(text) {
		if strings.ContainsRune("\\`*_{}[]<>()#+-!|~&@:", c) {
			fmt.Fprintf(&b, "&#%d;", c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
