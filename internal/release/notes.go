package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/diff"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/markdown"
	"github.com/respin-project/respin/internal/report"
)

// Notes say what a release changes, for people.
type Notes struct {
	Batch  *Batch
	Before *Record               // of the release before; nil if there is none
	Old    map[string]*lock.Lock // the locks of the release before, by path; none for an image that is new

	reports []*diff.Report // of the images, in their order
}

// compare compares each image's lock with the one before. The advisories are those that the plan found.
func (n *Notes) compare() {
	for _, i := range n.Batch.Images {
		side := &diff.Side{Image: fmt.Sprintf("%s %s %s", i.Image.Name, i.Image.Version, i.Image.Arch), Packages: i.Lock.Packages, Lock: i.Lock}
		before := &diff.Side{Image: side.Image, Lock: &lock.Lock{Buildroot: i.Lock.Buildroot}}
		if old := n.Old[i.Path]; old != nil {
			before = &diff.Side{Image: fmt.Sprintf("%s %s %s", old.Image.Name, old.Image.Version, old.Image.Arch), Packages: old.Packages, Lock: old}
		}
		r := diff.Compare(before, side, nil)
		explain(r, i.Plan)
		n.reports = append(n.reports, r)
	}
}

// explain gives the updates of a report the advisories of the plan that led to them.
func explain(r *diff.Report, plan *manifest.Plan) {
	if plan == nil {
		return
	}
	type key struct{ name, arch, to string }
	found := map[key][]string{}
	for _, c := range plan.Packages {
		found[key{c.Name, c.Arch, c.New}] = c.Advisories
	}
	counts := map[string]bool{}
	for i := range r.Packages {
		p := &r.Packages[i]
		p.Advisories = found[key{p.Name, p.Arch, p.New}]
		for _, id := range p.Advisories {
			counts[id] = true
		}
	}
	for _, a := range plan.Advisories {
		if counts[a.ID] {
			r.Advisories = append(r.Advisories, a)
		}
	}
}

// advisories are those of all images, each once.
func (n *Notes) advisories() []manifest.Advisory {
	all := map[string]manifest.Advisory{}
	for _, r := range n.reports {
		for _, a := range r.Advisories {
			all[a.ID] = a
		}
	}
	var list []manifest.Advisory
	for _, id := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[id])
	}
	return list
}

// Title is the pull request's title.
func (n *Notes) Title() string {
	changed := map[string]bool{}
	for _, r := range n.reports {
		for _, p := range r.Packages {
			changed[p.Name] = true
		}
	}
	title := fmt.Sprintf("Respin %s: %s in %s", n.Batch.Name, count(len(changed), "package"), count(len(n.Batch.Images), "image"))
	if security, _ := n.security(); security != "" {
		title += ", " + security
	}
	return title
}

// security is such as "2 security advisories (critical)"; empty if there is none.
func (n *Notes) security() (text string, reboot bool) {
	security := 0
	all := n.advisories()
	for i := range all {
		reboot = reboot || all[i].Reboot
		if advisory.IsSecurity(&all[i]) {
			security++
		}
	}
	if security == 0 {
		return "", reboot
	}
	text = strings.Replace(count(security, "security advisory"), "advisorys", "advisories", 1)
	if worst := advisory.Worst(all); worst != "" {
		text += " (" + worst + ")"
	}
	return text, reboot
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Text is the notes in Markdown. What is short and decides comes first: the
// body of a pull request holds so much only. Everything that a manifest or
// lock says stands in code spans. branch is where the release is proposed;
// empty where the notes are read after that.
func (n *Notes) Text(branch string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Release of %s\n\nThe locks of %s, as they were built and tested together. Merging this publishes exactly that.\n", markdown.Code(n.Batch.Name), count(len(n.Batch.Images), "image"))
	if security, reboot := n.security(); security != "" {
		fmt.Fprintf(&b, "\n**Security:** %s.", security)
		if reboot {
			b.WriteString(" Running machines need a reboot after the update.")
		}
		b.WriteString("\n")
	}
	b.WriteString(n.try(branch))
	b.WriteString(n.tests())
	b.WriteString(n.sizes())
	b.WriteString(n.places())
	b.WriteString("\n## Packages\n\n")
	for _, r := range n.reports {
		if err := r.Markdown(&b); err != nil {
			return "", err
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// try says how to try an image. It is a shell's text, so that it holds only
// names that a shell takes as they are: an image's folder is such a name.
func (n *Notes) try(branch string) string {
	i := n.Batch.Images[0]
	folder := specFolder(i.Path)
	if !shellSafe(folder) || !shellSafe(i.Image.Arch) || !shellSafe(i.Image.Version) {
		return ""
	}
	checkout := ""
	if branch != "" {
		checkout = fmt.Sprintf("git fetch origin %s && git checkout FETCH_HEAD\n", branch)
	}
	return fmt.Sprintf("\n## Try it\n\nThe lock gives the same bits again, on any machine:\n\n"+
		"```sh\n%sks-render --release %s --arch %s %s |\n  img-build --locked %s |\n  img-convert --to qcow2 | img-smoke\n```\n",
		checkout, i.Image.Version, i.Image.Arch, folder, i.Path)
}

func specFolder(lock string) string { return lock[:strings.LastIndexByte(lock, '/')] }

// shellSafe reports whether a shell takes a text as it is.
func shellSafe(s string) bool {
	return s != "" && s[0] != '-' && !strings.ContainsFunc(s, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-/+", c))
	})
}

func (n *Notes) tests() string {
	var rows [][]string
	for _, i := range n.Batch.Record().Images {
		for _, t := range i.Tests {
			result := "passed"
			if !t.Passed {
				result = "**failed**"
			}
			var warnings []string
			for _, w := range t.Warnings {
				warnings = append(warnings, markdown.Code(w))
			}
			rows = append(rows, []string{markdown.Code(i.Image.ID()), markdown.Code(t.Artifact), markdown.Code(t.Firmware), result, strings.Join(warnings, " ")})
		}
		if len(i.Tests) == 0 {
			rows = append(rows, []string{markdown.Code(i.Image.ID()), "", "", "**not tested**", ""})
		}
	}
	return markdown.Table("## Tests", []string{"Image", "File", "Firmware", "Result", "Warnings"}, rows)
}

// sizes compares the artifacts with those of the release before.
func (n *Notes) sizes() string {
	var rows [][]string
	now := n.Batch.Record()
	for k, i := range now.Images {
		name := markdown.Code(i.Image.ID())
		before, after := n.Before.sizes(i.Image), now.sizes(i.Image)
		for _, format := range slices.Sorted(maps.Keys(after)) {
			old, ok := before[format]
			rows = append(rows, row(name, markdown.Code(format), old, after[format], ok))
		}
		installed := n.reports[k].Installed
		rows = append(rows, row(name, "installed packages", installed.Old, installed.New, installed.Old > 0))
	}
	return markdown.Table("## Sizes", []string{"Image", "Format", "Before", "After", "Difference"}, rows)
}

func row(name, what string, old, now int64, known bool) []string {
	if !known {
		return []string{name, what, "", report.Size(now), ""}
	}
	difference := "+" + report.Size(now-old)
	if now < old {
		difference = "-" + report.Size(old-now)
	}
	return []string{name, what, report.Size(old), report.Size(now), difference}
}

// places says where the scratch images can be had already.
func (n *Notes) places() string {
	var rows [][]string
	for _, i := range n.Batch.Images {
		for _, p := range i.Publications {
			rows = append(rows, []string{markdown.Code(i.Image.ID()), markdown.Code(p.Kind), markdown.Code(p.Reference)})
		}
	}
	return markdown.Table("## Scratch images", []string{"Image", "Kind", "Where"}, rows)
}
