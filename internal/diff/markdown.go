package diff

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/markdown"
	"github.com/respin-project/respin/internal/report"
)

// Markdown writes the report as GitHub's Markdown. Everything that an input
// says stands in code spans, in which nothing is a mention, a link or HTML.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", markdown.Code(r.New.Image))
	if r.Same {
		b.WriteString("No difference.\n")
	} else {
		if r.Old.Image != r.New.Image {
			fmt.Fprintf(&b, "Compared with %s.\n\n", markdown.Code(r.Old.Image))
		}
		fmt.Fprintf(&b, "%s.\n", strings.ReplaceAll(r.counts(), "->", "→"))
	}
	markdownPackages(&b, "", r.Packages)
	markdownPackages(&b, "Tools: ", r.Tools)
	var rows [][]string
	for _, a := range r.Advisories {
		rows = append(rows, []string{markdown.Code(a.ID), markdown.Code(kind(a)), cves(a), markdown.Code(a.Title)})
	}
	b.WriteString(markdown.Table("#### Advisories", []string{"Advisory", "Type", "CVEs", "Title"}, rows))
	rows = nil
	for _, a := range r.Artifacts {
		rows = append(rows, []string{markdown.Code(a.Format), a.Change, report.Size(a.Size.Old), report.Size(a.Size.New), grown(a.Size)})
	}
	b.WriteString(markdown.Table("#### Artifacts", []string{"Format", "Change", "Before", "After", "Difference"}, rows))
	rows = nil
	for _, f := range r.Files {
		rows = append(rows, []string{markdown.Code(f.Name), report.Size(f.Size.Old), report.Size(f.Size.New), grown(f.Size)})
	}
	b.WriteString(markdown.Table("#### Files", []string{"What", "Before", "After", "Difference"}, rows))
	rows = nil
	for _, s := range r.Sources {
		rows = append(rows, []string{markdown.Code(s.Path), s.Change})
	}
	b.WriteString(markdown.Table("#### Kickstart", []string{"File", "Change"}, rows))
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownPackages(b *strings.Builder, prefix string, packages []Package) {
	for _, s := range sections {
		var rows [][]string
		for _, p := range packages {
			if p.Change == s.change {
				var ids []string
				for _, id := range p.Advisories {
					ids = append(ids, markdown.Code(id))
				}
				rows = append(rows, []string{markdown.Code(p.Name + "." + p.Arch), markdown.Code(p.versions(" → ")), grown(p.Installed), strings.Join(ids, " ")})
			}
		}
		b.WriteString(markdown.Table("#### "+prefix+s.title, []string{"Package", "Version", "Installed size", "Advisories"}, rows))
	}
}

var cve = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)

// cves links the CVEs of an advisory; what does not look like one is only shown.
func cves(a manifest.Advisory) string {
	var links []string
	for _, id := range a.CVEs {
		if cve.MatchString(id) {
			links = append(links, fmt.Sprintf("[%s](https://www.cve.org/CVERecord?id=%s)", id, id))
		} else {
			links = append(links, markdown.Code(id))
		}
	}
	return strings.Join(links, " ")
}
