// Package repo reads RPM package repositories (repomd, as createrepo_c writes
// them and dnf reads them): where their mirrors are, what is in them, and the packages themselves, each verified.
//
// The chain of trust: a metalink, from a trusted TLS server, or a signature vouches for repomd.xml; it for the
// metadata; the metadata for a package's bytes; and the signature in the package, by a pinned key, for the package.
package repo

import (
	"context"
	"errors"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/rpm"
)

// A Repository is how a repository is configured. URLs are http, https or file
// URLs or plain paths, with $releasever and $basearch already replaced.
type Repository struct {
	Name       string   // its id, for messages and file names
	BaseURLs   []string // of the folder that holds repodata/, in the order of preference
	Mirrorlist string   // URL of a list of base URLs
	Metalink   string   // URL of a metalink for repomd.xml

	// Keys are those that packages must be signed with. nil means that
	// signatures are not checked at all (--insecure-no-signatures); an empty
	// Keyring trusts nobody.
	Keys *rpm.Keyring

	// SignedMetadata requires a signature of repomd.xml by one of Keys (repo_gpgcheck).
	SignedMetadata bool

	Excludes []string // globs of NAME or NEVRA forms as in dnf's excludepkgs
	Includes []string // if any, only packages that match one (includepkgs)
	Cost     int      // among repositories with the same package the least cost is preferred; dnf's default is 1000
	Priority int      // the least number wins; dnf's default is 99

	// Fallbacks are base URLs of archives laid out as Fedora's build system
	// (packages/NAME/VERSION/RELEASE/ARCH/FILE by the source package, below the
	// URL), asked for packages that the mirrors no longer have. See FedoraArchive.
	Fallbacks []string
}

// FedoraArchive is the archive that keeps every package Fedora ever built.
const FedoraArchive = "https://kojipkgs.fedoraproject.org/packages/"

// A Snapshot is a repository as it was when it was opened: one verified
// repomd.xml and everything that it names. Methods may be called from several goroutines; each
// reads its part of the metadata when it is first called and keeps it.
type Snapshot struct {
	Repository
	URL    string       // the base URL that answered; may hold credentials, see fetch.Redact
	Repomd cache.Digest // sha256 of repomd.xml
	Newest int64        // the newest timestamp in it, seconds
	Signer *rpm.Signer  // of repomd.xml, nil if it was not checked

	Revision string   // repomd.xml's own
	Records  []Record // in its order
}

// A Record is one metadata file that repomd.xml names.
type Record struct {
	Type      string // "primary", "filelists", "group_gz" …
	Location  string // relative to the base URL
	Digest    cache.Digest
	Size      int64        // negative if not given
	Open      cache.Digest // of the uncompressed bytes; zero if not given
	OpenSize  int64        // negative if not given
	Timestamp int64
}

// Open reads a repository's mirror list and repomd.xml and verifies them as
// far as the repository's configuration says how. A mirror whose repomd.xml is not what the metalink
// promises is passed over.
//
// The error names the repository. Its cause may be fetch.ErrOffline, an *rpm.SignatureError or a *MetadataError.
func Open(ctx context.Context, f *fetch.Fetcher, r Repository) (*Snapshot, error) {
	return nil, errors.ErrUnsupported
}

// Packages returns what the repository's primary metadata lists and its
// Excludes and Includes leave, in the metadata's order. The slice and what it points to are shared: do not modify them.
func (s *Snapshot) Packages(ctx context.Context) ([]*Package, error) {
	return nil, errors.ErrUnsupported
}

// Filelists calls each for every package of filelists with all its files,
// until each returns an error. Files that primary lists are among them.
// files is only valid during the call.
func (s *Snapshot) Filelists(ctx context.Context, each func(checksum cache.Digest, files []File) error) error {
	return errors.ErrUnsupported
}

// Comps returns the repository's groups and environments; nil if it has none.
func (s *Snapshot) Comps(ctx context.Context) (*Comps, error) { return nil, errors.ErrUnsupported }

// Advisories returns the repository's updateinfo, in its order; nil if it has none.
func (s *Snapshot) Advisories(ctx context.Context) ([]Advisory, error) {
	return nil, errors.ErrUnsupported
}

// Modules returns the repository's module metadata, uncompressed; nil if it has none.
func (s *Snapshot) Modules(ctx context.Context) ([]byte, error) { return nil, errors.ErrUnsupported }

// A Fetched is a package that is in the cache and verified.
type Fetched struct {
	Package *Package
	Path    string      // of the file in the cache, where it stays until the cache is closed
	URL     string      // under the base URL; may hold credentials
	Signer  *rpm.Signer // nil if the repository's signatures are not checked
}

// Fetch downloads packages, of any repositories, in parallel and verifies each
// once: its checksum and size while it arrives, then its header, signature and payload with its
// repository's Keys, and that it is the package that the metadata said. What was verified with the same keys before
// is not again. The result is in the order of packages.
//
// The error names package and repository; its cause may be an *rpm.SignatureError.
func Fetch(ctx context.Context, f *fetch.Fetcher, packages []*Package) ([]Fetched, error) {
	return nil, errors.ErrUnsupported
}

// Write makes a repository in the folder dir that lists only packages, which
// must be of this snapshot, with the metadata they have here: primary and filelists of these
// packages, and comps and modules whole. The same packages give the same bytes, in any order. The
// packages' own files are not copied: each belongs at dir joined with its Place.
func (s *Snapshot) Write(ctx context.Context, dir string, packages []*Package, o WriteOptions) error {
	return errors.ErrUnsupported
}

// WriteOptions says how Write writes.
type WriteOptions struct {
	Zstd  bool                  // compress primary and filelists, which old distributions cannot read
	Place func(*Package) string // a package's location relative to dir; nil: "Packages/" and the last element of its own
}

// A MetadataError says that a repository's metadata is malformed or not what it should be.
type MetadataError struct {
	File string // such as "repomd.xml", "primary", "metalink"
	Line int    // counts from 1; 0 if it is not about a line
	Err  error
}

func (e *MetadataError) Error() string { return e.File + ": " + e.Err.Error() }
func (e *MetadataError) Unwrap() error { return e.Err }

var _ *report.Report
