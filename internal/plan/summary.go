package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/manifest"
)

// Summary is a table of the planned images for the step summary of GitHub
// Actions. It has plain words and numbers only, nothing that a file or a
// repository could phrase.
func Summary(planned []*manifest.Manifest) string {
	var b strings.Builder
	b.WriteString("### Images that are due\n\n| Image | Reasons | Files | Packages | Advisories | Severity |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, m := range planned {
		fmt.Fprintf(&b, "| `%s` | %s | %d | %d | %d | %s |\n", m.Image.ID(), strings.Join(m.Plan.Reasons, ", "),
			len(m.Plan.Files), len(m.Plan.Packages), len(m.Plan.Advisories), cmp.Or(advisory.Worst(m.Plan.Advisories), "–"))
	}
	return b.String()
}
