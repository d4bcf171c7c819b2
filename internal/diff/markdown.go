package diff

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
)

// Markdown writes the report as GitHub's Markdown. Everything that an input
// says stands in code spans, in which nothing is a mention, a link or HTML.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", code(r.New.Image))
	if r.Same {
		b.WriteString("No difference.\n")
	} else {
		if r.Old.Image != r.New.Image {
			fmt.Fprintf(&b, "Compared with %s.\n\n", code(r.Old.Image))
		}
		fmt.Fprintf(&b, "%s.\n", strings.ReplaceAll(r.counts(), "->", "→"))
	}
	markdownPackages(&b, "", r.Packages)
	markdownPackages(&b, "Tools: ", r.Tools)
	var rows [][]string
	for _, a := range r.Advisories {
		rows = append(rows, []string{code(a.ID), code(kind(a)), cves(a), code(a.Title)})
	}
	table(&b, "Advisories", []string{"Advisory", "Type", "CVEs", "Title"}, rows)
	rows = nil
	for _, a := range r.Artifacts {
		rows = append(rows, []string{code(a.Format), a.Change, report.Size(a.Size.Old), report.Size(a.Size.New), grown(a.Size)})
	}
	table(&b, "Artifacts", []string{"Format", "Change", "Before", "After", "Difference"}, rows)
	rows = nil
	for _, f := range r.Files {
		rows = append(rows, []string{code(f.Name), report.Size(f.Size.Old), report.Size(f.Size.New), grown(f.Size)})
	}
	table(&b, "Files", []string{"What", "Before", "After", "Difference"}, rows)
	rows = nil
	for _, s := range r.Sources {
		rows = append(rows, []string{code(s.Path), s.Change})
	}
	table(&b, "Kickstart", []string{"File", "Change"}, rows)
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
					ids = append(ids, code(id))
				}
				rows = append(rows, []string{code(p.Name + "." + p.Arch), code(p.versions(" → ")), grown(p.Installed), strings.Join(ids, " ")})
			}
		}
		table(b, prefix+s.title, []string{"Package", "Version", "Installed size", "Advisories"}, rows)
	}
}

// table writes a table with a heading; none if there are no rows.
func table(b *strings.Builder, title string, columns []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n#### %s\n\n| %s |\n|%s\n", title, strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

// code is a text as a code span that can stand in a table. What could end the
// span, the cell or the line, and what does not print, is written as Go does.
func code(s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	var b strings.Builder
	b.WriteByte('`')
	for _, c := range strings.ReplaceAll(s, "##[", "## [") {
		switch {
		case c == '`' || c == '|' || c == '\\':
			fmt.Fprintf(&b, `\x%02x`, c)
		case !strconv.IsPrint(c):
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('`')
	return b.String()
}

var cve = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)

// cves links the CVEs of an advisory; what does not look like one is only shown.
func cves(a manifest.Advisory) string {
	var links []string
	for _, id := range a.CVEs {
		if cve.MatchString(id) {
			links = append(links, fmt.Sprintf("[%s](https://www.cve.org/CVERecord?id=%s)", id, id))
		} else {
			links = append(links, code(id))
		}
	}
	return strings.Join(links, " ")
}
