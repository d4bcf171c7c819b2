package repo

import (
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/rpm"
)

// A Package is what a repository says of one of its packages. Strings are
// shared between packages, so that 75,000 of them stay modest.
type Package struct {
	rpm.NEVRA
	Snapshot  *Snapshot    // that lists it
	Checksum  cache.Digest // of the package file; the metadata's pkgid
	Location  string       // of the file, relative to Base, or to the repository's URL if Base is empty
	Base      string       // xml:base, a URL; usually empty
	Size      int64        // of the file, bytes
	Installed int64        // of its contents, bytes
	BuildTime int64        // seconds since 1970
	Source    string       // file name of the source package
	License   string
	Summary   string

	Provides, Requires, Recommends, Suggests, Supplements, Enhances, Conflicts, Obsoletes []Relation

	// Files are those that primary lists: in /etc and */bin and /usr/lib/sendmail.
	Files []File
}

// A Relation is a capability, with or without a version.
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
func (s Sense) String() string { return "" }

// String is NAME, or NAME OPERATOR EVR.
func (r Relation) String() string { return "" }

// Satisfies reports whether what provides offers meets r, by rpm's rule: the
// names are the same and the ranges of versions overlap.
func (r Relation) Satisfies(provides Relation) bool { return false }

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
