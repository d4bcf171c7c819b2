// Package repo reads RPM package repositories (repomd, as createrepo_c writes
// them and dnf reads them): where their mirrors are, what is in them, and the
// packages themselves, each verified.
//
// The chain of trust: a metalink, from a server that TLS vouches for, or a
// signature vouches for repomd.xml; it for the metadata; the metadata for a
// package's bytes; and the signature in the package, by a pinned key, for the
// package.
package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/rpm"
)

// A Repository is how a repository is configured. URLs are http, https or file
// URLs or plain paths, with $releasever and $basearch already replaced.
type Repository struct {
	Name       string   // its id, for messages and file names
	BaseURLs   []string // of the folder that holds repodata/, in the order of preference
	Mirrorlist string   // URL of a list of base URLs, or of a metalink
	Metalink   string   // URL of a metalink for repomd.xml

	// Keys are those that packages must be signed with. nil means that
	// signatures are not checked at all (--insecure-no-signatures); an empty
	// Keyring trusts nobody.
	Keys *rpm.Keyring

	// SignedMetadata requires a signature of repomd.xml by one of Keys (repo_gpgcheck).
	SignedMetadata bool

	Excludes []string // globs of package names in any of the forms of dnf's excludepkgs
	Includes []string // if any, only packages that match one (includepkgs)
	Cost     int      // for the caller: among equal packages the least cost is preferred; dnf's default is 1000
	Priority int      // for the caller: the least number wins; dnf's default is 99

	// Fallbacks are URLs of archives laid out as Fedora's build system, asked
	// for packages that the mirrors no longer have. See FedoraArchive.
	Fallbacks []string
}

// A Snapshot is a repository as it was when it was opened: one verified
// repomd.xml and everything that it names. Methods may be called from several
// goroutines; each reads its part of the metadata when it is first called and
// keeps it.
type Snapshot struct {
	Repository
	URL      string       // the base URL that answered; may hold credentials, see fetch.Redact
	Repomd   cache.Digest // sha256 of repomd.xml
	Newest   int64        // the newest timestamp in it, seconds since 1970
	Signer   *rpm.Signer  // of repomd.xml, nil if its signature was not checked
	Revision string       // repomd.xml's own
	Records  []Record     // in its order

	fetcher  *fetch.Fetcher
	repomd   []byte   // repomd.xml itself
	bases    []string // URL first, then the others
	packages lazy[[]*Package]
	comps    lazy[*Comps]
	updates  lazy[[]Advisory]
	modules  lazy[[]byte]
}

// lazy is a value that is made when it is first asked for. A failure is not kept.
type lazy[T any] struct {
	mu    sync.Mutex
	made  bool
	value T
}

func (l *lazy[T]) get(make func() (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made {
		return l.value, nil
	}
	var err error
	if l.value, err = make(); err == nil {
		l.made = true
	}
	return l.value, err
}

// Bounds of what is read without a size that is known, in bytes.
const (
	maxMirrors    = 16 << 20
	maxRepomd     = 16 << 20
	maxSignature  = 1 << 20
	mirrorsToTry  = 8
	repomdPath    = "repodata/repomd.xml"
	signatureFile = ".asc"
)

// Open reads a repository's mirror list and repomd.xml and verifies them as
// far as the repository's configuration says how. A mirror whose repomd.xml is
// not what the metalink promises, or is not well-formed, is passed over.
//
// The error names the repository. Its cause may be fetch.ErrOffline, an
// *rpm.SignatureError or a *MetadataError.
func Open(ctx context.Context, f *fetch.Fetcher, r Repository) (*Snapshot, error) {
	s := &Snapshot{Repository: r, fetcher: f}
	if err := s.open(ctx); err != nil {
		return nil, s.errorf("", err)
	}
	return s, nil
}

// Detached returns a snapshot of a repository without reading its metadata,
// for packages that are known from elsewhere, such as a lock. Only fetching
// them works with it.
func Detached(f *fetch.Fetcher, r Repository) *Snapshot {
	return &Snapshot{Repository: r, fetcher: f, bases: slices.Clone(r.BaseURLs)}
}

// errorf names the repository in front of an error.
func (r *Repository) errorf(doing string, err error) error {
	if doing != "" {
		err = fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("repository %q: %w", r.Name, err)
}

func (s *Snapshot) open(ctx context.Context) error {
	bases, link, err := s.mirrors(ctx)
	if err != nil {
		return err
	}
	var index *repomd
	accept := func(data []byte) (err error) {
		if link != nil {
			if err := link.check(data); err != nil {
				return err
			}
		}
		index, err = parseRepomd(data)
		return err
	}
	var data []byte
	for {
		urls := make([]string, len(bases))
		for i, base := range bases {
			urls[i] = join(base, repomdPath)
		}
		document, err := s.fetcher.Document(ctx, urls, maxRepomd, accept)
		if err != nil {
			return err
		}
		i := slices.Index(urls, document.URL)
		s.URL, data = bases[i], document.Data
		if err = s.checkSignature(ctx, data); err == nil {
			break
		}
		// Another mirror may have a sound one.
		if bases = slices.Delete(slices.Clone(bases), i, i+1); len(bases) == 0 || ctx.Err() != nil {
			return err
		}
	}
	s.repomd = data
	s.Repomd, s.Newest, s.Revision, s.Records = cache.SHA256(data), index.newest(), index.revision, index.records
	s.bases = append([]string{s.URL}, slices.DeleteFunc(bases, func(b string) bool { return b == s.URL })...)
	s.bases = s.bases[:min(len(s.bases), mirrorsToTry)]
	return nil
}

// mirrors returns the repository's base URLs, and its metalink if it has one.
func (s *Snapshot) mirrors(ctx context.Context) ([]string, *metalink, error) {
	bases := slices.Clone(s.BaseURLs)
	var link *metalink
	for _, list := range []string{s.Metalink, s.Mirrorlist} {
		if list == "" {
			continue
		}
		var more []string
		_, err := s.fetcher.Document(ctx, []string{list}, maxMirrors, func(data []byte) (err error) {
			if list == s.Metalink || bytes.Contains(data[:min(len(data), 1024)], []byte("<metalink")) {
				if link, err = parseMetalink(data); err == nil {
					more = link.bases
				}
				return err
			}
			more, err = parseMirrorlist(data)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		bases = append(bases, more...)
	}
	if len(bases) == 0 {
		return nil, nil, errors.New("it has no URL")
	}
	return bases, link, nil
}

// checkSignature checks the signature of repomd.xml, if it must have one.
func (s *Snapshot) checkSignature(ctx context.Context, data []byte) error {
	if !s.SignedMetadata {
		return nil
	}
	if s.Keys == nil {
		return errors.New("its metadata must be signed, but there are no keys to check that with")
	}
	from := join(s.URL, repomdPath+signatureFile)
	document, err := s.fetcher.Document(ctx, []string{from}, maxSignature, nil)
	if err != nil {
		return err
	}
	s.Signer, err = s.Keys.VerifyDetached(data, document.Data)
	if e, ok := errors.AsType[*rpm.SignatureError](err); ok {
		e.Name = "repomd.xml"
	}
	return err
}

// join appends a relative path to a base URL or path. A query stays at the end.
func join(base, relative string) string {
	if !strings.Contains(base, "://") {
		return path.Join(base, relative)
	}
	u, err := url.Parse(base)
	if err != nil {
		return strings.TrimSuffix(base, "/") + "/" + relative
	}
	// A "%" in the relative path is one: it is no URL.
	return u.JoinPath(strings.ReplaceAll(relative, "%", "%25")).String()
}

// A MetadataError says that a repository's metadata is malformed or not what it should be.
type MetadataError struct {
	File string // such as "repomd.xml", "primary", "metalink"
	Line int    // counts from 1; 0 if it is not about a line
	Err  error
}

func (e *MetadataError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s, line %d: %v", e.File, e.Line, e.Err)
	}
	return e.File + ": " + e.Err.Error()
}

func (e *MetadataError) Unwrap() error { return e.Err }

// malformed wraps what is wrong with a metadata file; nil stays nil.
func malformed(file string, line int, err error) error {
	if err == nil {
		return nil
	}
	return &MetadataError{file, line, err}
}
