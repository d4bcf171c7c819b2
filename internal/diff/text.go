package diff

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
)

// sections are the changes in the order in which people read them.
var sections = []struct{ change, title string }{
	{Updated, "Updated"}, {Downgraded, "Downgraded"}, {Rebuilt, "Rebuilt"}, {Added, "Added"}, {Removed, "Removed"},
}

// Text writes the report for a terminal. What an input says cannot control it.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if r.Same {
		fmt.Fprintf(t, "%s: no difference\n", plain(r.New.Image))
		return t.Flush()
	}
	if r.Old.Image != r.New.Image {
		fmt.Fprintf(t, "%s -> ", plain(r.Old.Image))
	}
	fmt.Fprintf(t, "%s: %s\n", plain(r.New.Image), r.counts())
	textPackages(t, "", r.Packages)
	textPackages(t, "Tools: ", r.Tools)
	if len(r.Advisories) > 0 {
		fmt.Fprint(t, "\nAdvisories\n")
	}
	for _, a := range r.Advisories {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", plain(a.ID), plain(kind(a)), plain(strings.Join(a.CVEs, " ")), plain(a.Title))
	}
	if len(r.Artifacts) > 0 {
		fmt.Fprint(t, "\nArtifacts\n")
	}
	for _, a := range r.Artifacts {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", plain(a.Format), a.Change, fromTo(a.Size))
	}
	if len(r.Files) > 0 {
		fmt.Fprint(t, "\nFiles\n")
	}
	for _, f := range r.Files {
		fmt.Fprintf(t, "  %s\t%s\n", plain(f.Name), fromTo(f.Size))
	}
	if len(r.Sources) > 0 {
		fmt.Fprint(t, "\nKickstart\n")
	}
	for _, s := range r.Sources {
		fmt.Fprintf(t, "  %s\t%s\n", plain(s.Path), s.Change)
	}
	return t.Flush()
}

// counts is a line such as "2 updated, 1 added, 412 -> 413 packages, 1.2 GiB (+3.1 MiB)".
func (r *Report) counts() string {
	var parts []string
	for _, s := range sections {
		if n := len(r.Of(s.change)); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.change))
		}
	}
	if r.Kickstart {
		parts = append(parts, "another kickstart")
	}
	if r.Old.Packages == r.New.Packages {
		parts = append(parts, fmt.Sprintf("%d packages", r.New.Packages))
	} else {
		parts = append(parts, fmt.Sprintf("%d -> %d packages", r.Old.Packages, r.New.Packages))
	}
	return strings.Join(append(parts, fmt.Sprintf("%s installed (%s)", report.Size(r.Installed.New), grown(r.Installed))), ", ")
}

func textPackages(t io.Writer, prefix string, packages []Package) {
	for _, s := range sections {
		title := "\n" + prefix + s.title + "\n"
		for _, p := range packages {
			if p.Change != s.change {
				continue
			}
			io.WriteString(t, title)
			title = ""
			line := fmt.Sprintf("  %s\t%s\t%s\t%s", plain(p.Name+"."+p.Arch), plain(p.versions(" -> ")), grown(p.Installed), plain(strings.Join(p.Advisories, " ")))
			fmt.Fprintln(t, strings.TrimRight(line, "\t"))
		}
	}
}

// versions is the old version, the new one, or both.
func (p Package) versions(arrow string) string {
	switch {
	case p.Old == "" || p.New == "":
		return p.Old + p.New
	case p.Change == Rebuilt && p.OldArch == "":
		return p.New
	case p.OldArch != "":
		return p.Old + "." + p.OldArch + arrow + p.New + "." + p.Arch
	}
	return p.Old + arrow + p.New
}

// kind is an advisory's type and severity, such as "security Important, reboot".
func kind(a manifest.Advisory) string {
	s := strings.TrimSpace(a.Type + " " + a.Severity)
	if a.Reboot {
		s += ", reboot"
	}
	return s
}

// grown is a difference of sizes with its sign.
func grown(s Size) string {
	if d := s.Grown(); d < 0 {
		return "-" + report.Size(-d)
	} else if d > 0 {
		return "+" + report.Size(d)
	}
	return "0 B"
}

func fromTo(s Size) string {
	return fmt.Sprintf("%s -> %s (%s)", report.Size(s.Old), report.Size(s.New), grown(s))
}

// plain is a text as it may stand on a line of a terminal, or of a log of
// GitHub Actions: quoted if anything in it does not print or it begins as a
// workflow command, of which the older form counts anywhere.
func plain(s string) string {
	s = strings.ReplaceAll(s, "##[", "## [")
	if strings.HasPrefix(s, "::") || strings.ContainsFunc(s, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return strconv.Quote(s)
	}
	return s
}
