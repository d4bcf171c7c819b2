package repo

import "github.com/respin-project/respin/internal/rpm"

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

// A Reference is something an advisory points to.
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
func (a *Advisory) CVEs() []string { return nil }
