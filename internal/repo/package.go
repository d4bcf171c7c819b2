package repo

import (
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/rpm"
)

// A Package is what a repository says of one of its packages. Strings are
// shared between packages, so that 75,000 of them stay modest.
//
// For Fetch a package can be made by hand, as of a lock: it needs its NEVRA,
// Checksum, Size (negative if not known), Location, Base where the mirrors no
// longer have it there, Source for the archives, and a Snapshot, of which a
// Repository is enough.
type Package struct {
	rpm.NEVRA
	Snapshot  *Snapshot    // that lists it
	Checksum  cache.Digest // of the package file; the metadata's pkgid
	Location  string       // of the file, relative to Base, or to the repository's URL if Base is empty
	Base      string       // xml:base, a URL; usually empty
	Former    string       // a URL where it once was, to ask after the repository's own; usually empty
	Size      int64        // of the file, bytes
	Installed int64        // of its contents, bytes
	BuildTime int64        // seconds since 1970
	Source    string       // file name of the source package
	License   string
	Summary   string

	Provides, Requires, Recommends, Suggests, Supplements, Enhances, Conflicts, Obsoletes []Relation

	// Files are those that primary lists: in /etc and */bin, and /usr/lib/sendmail.
	Files []File
}

// A Relation is a capability, with or without a version. A name in parentheses
// may be a boolean expression ("rich dependency"), which has no version.
type Relation struct {
	Name  string
	Flags Sense
	Pre   bool   // must be there before the package is installed
	EVR   string // [EPOCH:]VERSION[-RELEASE], see rpm.ParseEVR; empty without Flags
}

// Sense says how a Relation's version compares; 0 means any version.
type Sense uint8

const (
	Less Sense = 1 << iota
	Greater
	Equal
)

// String is the operator: "<", "<=", "=", ">=", ">" or "".
func (s Sense) String() string {
	return [...]string{"", "<", ">", "<>", "=", "<=", ">=", "<=>"}[s&7]
}

// String is NAME, or NAME OPERATOR EVR.
func (r Relation) String() string {
	if r.Flags == 0 {
		return r.Name
	}
	return r.Name + " " + r.Flags.String() + " " + r.EVR
}

// Satisfies reports whether what a package provides meets r, by rpm's rule:
// the names are the same, and the two ranges of versions have one in common.
// A version without a release stands for all its releases. Boolean expressions
// are not evaluated.
func (r Relation) Satisfies(provides Relation) bool {
	if r.Name != provides.Name {
		return false
	}
	if r.Flags == 0 || provides.Flags == 0 {
		return true
	}
	a, errA := rpm.ParseEVR(provides.EVR)
	b, errB := rpm.ParseEVR(r.EVR)
	if errA != nil || errB != nil {
		return false
	}
	if a.Release == "" || b.Release == "" {
		a.Release, b.Release = "", ""
	}
	switch order := a.Compare(b); {
	case order < 0:
		return provides.Flags&Greater != 0 || r.Flags&Less != 0
	case order > 0:
		return provides.Flags&Less != 0 || r.Flags&Greater != 0
	}
	return provides.Flags&r.Flags != 0
}

// Rich reports whether the relation is a boolean expression.
func (r Relation) Rich() bool { return strings.HasPrefix(r.Name, "(") }

// A File is a path of a package in the metadata.
type File struct {
	Path string
	Type FileType
}

// FileType tells folders and ghosts from other files.
type FileType uint8

const (
	Regular FileType = iota // or anything else
	Dir
	Ghost
)
