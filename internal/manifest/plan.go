package manifest

// Plan says why the image is due to be built, as img-plan found it.
type Plan struct {
	Reasons    []string        `json:"reasons"`              // "kickstart", "lock", "packages", "security", "due"
	Lock       string          `json:"lock"`                 // path of the image's lock, relative to the working folder; there may be none yet
	Locked     bool            `json:"locked,omitempty"`     // whether the lock is what is to be built: it was just written, or is what changed
	Released   int64           `json:"released,omitempty"`   // when the image was made last, as far as the lock tells, seconds since 1970
	Files      []string        `json:"files,omitempty"`      // those that changed of the files that the image is made from, sorted
	Packages   []PackageChange `json:"packages,omitempty"`   // installed ones that the repositories have otherwise now, sorted
	Advisories []Advisory      `json:"advisories,omitempty"` // that explain these changes, sorted by id

	Repositories []RepositoryChange `json:"repositories,omitempty"` // whose metadata is not what the lock was made from, sorted
}

// RepositoryChange is a repository that is not what it was. Old or New is empty where there was, or is, none of that name.
type RepositoryChange struct {
	Name string `json:"name"`
	Old  string `json:"old,omitempty"` // digest of its repomd.xml
	New  string `json:"new,omitempty"` // the same
}

// PackageChange is a package that is not what it was. Old or New is empty where it was, or is, not there.
type PackageChange struct {
	Name       string   `json:"name"`
	Arch       string   `json:"arch"`                 // of the new one, of the old one if there is none
	Old        string   `json:"old,omitempty"`        // [EPOCH:]VERSION-RELEASE
	New        string   `json:"new,omitempty"`        // the same
	Advisories []string `json:"advisories,omitempty"` // ids of those that explain it
}

// Advisory is an update notice of a repository.
type Advisory struct {
	ID       string   `json:"id"`                 // such as "FEDORA-2026-0123456789"
	Type     string   `json:"type"`               // "security", "bugfix", "enhancement", "newpackage"
	Severity string   `json:"severity,omitempty"` // as given, such as "Important"
	Title    string   `json:"title,omitempty"`
	CVEs     []string `json:"cves,omitempty"`   // sorted
	Reboot   bool     `json:"reboot,omitempty"` // whether it asks for a reboot
}
