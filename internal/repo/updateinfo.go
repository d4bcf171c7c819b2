package repo

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/respin-project/respin/internal/rpm"
)

// An Advisory is one update notice.
type Advisory struct {
	ID          string // such as "FEDORA-2026-0123456789"
	Type        string // "security", "bugfix", "enhancement", "newpackage"
	Severity    string // as given, such as "Important"; often empty
	Status      string
	Title       string
	Summary     string
	Description string
	Issued      string // as given: "2026-01-31 12:00:00" or seconds since 1970
	Updated     string
	References  []Reference
	Packages    []AdvisoryPackage
}

// A Reference is something that an advisory points to.
type Reference struct {
	Type  string // "bugzilla", "cve", "self" …
	ID    string // such as "CVE-2026-1234"
	Title string
	URL   string
}

// An AdvisoryPackage is a package that an advisory brings.
type AdvisoryPackage struct {
	rpm.NEVRA
	FileName        string
	RebootSuggested bool
}

// CVEs returns the ids of the advisory's CVE references, sorted, each once.
func (a *Advisory) CVEs() []string {
	var ids []string
	for _, r := range a.References {
		if r.Type == "cve" && r.ID != "" {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// parseUpdateinfo reads updateinfo metadata, as Bodhi and others write it.
func parseUpdateinfo(r io.Reader) ([]Advisory, error) {
	p := &updateParser{newParser(r)}
	var all []Advisory
	err := p.document("updates", func() error {
		if string(p.name) != "update" {
			return p.skip()
		}
		return add(&all, p.advisory)
	})
	if err != nil {
		return nil, malformed("updateinfo", p.line, err)
	}
	return all, nil
}

type updateParser struct{ *parser }

func (p *updateParser) advisory() (Advisory, error) {
	a := Advisory{Type: p.intern(p.attr("type")), Status: p.intern(p.attr("status"))}
	err := p.children(func() (err error) {
		switch string(p.name) {
		case "id":
			a.ID, err = p.value()
		case "title":
			a.Title, err = p.value()
		case "severity":
			a.Severity, err = p.value()
		case "summary":
			a.Summary, err = p.value()
		case "description":
			a.Description, err = p.prose()
		case "issued":
			a.Issued, err = p.date()
		case "updated":
			a.Updated, err = p.date()
		case "references":
			err = p.children(func() error {
				a.References = append(a.References, Reference{
					p.intern(p.attr("type")), p.intern(p.attr("id")), p.intern(p.attr("title")), p.intern(p.attr("href")),
				})
				return p.skip()
			})
		case "pkglist":
			err = p.packages(&a.Packages)
		default:
			err = p.skip()
		}
		return err
	})
	return a, identified("update", a.ID, err)
}

// prose reads a text that is not worth sharing.
func (p *parser) prose() (string, error) {
	b, err := p.content()
	return string(bytes.TrimSpace(b)), err
}

// date reads an element that has its date in an attribute.
func (p *updateParser) date() (string, error) {
	date := p.intern(p.attr("date"))
	return date, p.skip()
}

// packages reads the packages of all collections of a list.
func (p *updateParser) packages(to *[]AdvisoryPackage) error {
	return p.children(func() error {
		if string(p.name) != "collection" {
			return p.skip()
		}
		return p.children(func() error {
			if string(p.name) != "package" {
				return p.skip()
			}
			return add(to, p.pkg)
		})
	})
}

func (p *updateParser) pkg() (AdvisoryPackage, error) {
	epoch, err := number(p.attr("epoch"))
	if err != nil || epoch > 1<<31-1 {
		return AdvisoryPackage{}, fmt.Errorf("epoch %q", p.attr("epoch"))
	}
	pkg := AdvisoryPackage{NEVRA: rpm.NEVRA{
		Name: p.intern(p.attr("name")),
		EVR:  rpm.EVR{Epoch: int(epoch), Version: p.intern(p.attr("version")), Release: p.intern(p.attr("release"))},
		Arch: p.intern(p.attr("arch")),
	}}
	err = p.children(func() (err error) {
		switch string(p.name) {
		case "filename":
			pkg.FileName, err = p.value()
		case "reboot_suggested":
			// Its presence says so; some write a value as well.
			var b []byte
			b, err = p.content()
			pkg.RebootSuggested = len(bytes.TrimSpace(b)) == 0 || yes(b)
		default:
			err = p.skip()
		}
		return err
	})
	return pkg, err
}
