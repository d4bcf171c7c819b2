package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/rpm"
)

// A Fetched is a package that is in the cache and verified.
type Fetched struct {
	Package *Package
	Path    string      // of the file in the cache, where it stays until the cache is closed
	URL     string      // where the repository has it; may hold credentials
	Signer  *rpm.Signer // nil if the repository's signatures are not checked
}

// Fetch downloads packages, of any repositories, in parallel and verifies each
// once: its checksum and size while it arrives, then its header, payload and
// signature with its repository's Keys, and that it is the package that the
// metadata said. What was verified with the same keys before is not again. The
// result is in the order of packages.
//
// The error names package and repository; its cause may be an *rpm.SignatureError.
func Fetch(ctx context.Context, f *fetch.Fetcher, packages []*Package) ([]Fetched, error) {
	files := make([]fetch.File, len(packages))
	for i, p := range packages {
		files[i] = fetch.File{Name: p.NEVRA.String(), URLs: p.urls(), Digest: p.Checksum, Size: p.Size}
	}
	all := make([]Fetched, len(packages))
	title := ""
	if len(packages) > 1 {
		title = fmt.Sprintf("fetching %d packages", len(packages))
	}
	err := f.All(ctx, title, files, func(i int, path string) error {
		signer, err := packages[i].verify(f.Cache, path)
		if err != nil {
			doing := "verifying " + files[i].Name
			if _, named := errors.AsType[*rpm.SignatureError](err); named {
				doing = ""
			}
			return advise(packages[i].Snapshot.errorf(doing, err))
		}
		all[i] = Fetched{packages[i], path, files[i].URLs[0], signer}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// advise adds what can be done about a package that is not trusted.
func advise(err error) error {
	e, ok := errors.AsType[*rpm.SignatureError](err)
	if !ok {
		return err
	}
	switch e.Problem {
	case rpm.NoKey:
		return hint.Wrap(err, "if you trust key %s, name it with its fingerprint under keys in image.yaml, or give it with --key FILE", e.KeyID)
	case rpm.Unsigned:
		return hint.Wrap(err, "have the repository's owner sign it; --insecure-no-signatures would take it, and anything else, unseen")
	case rpm.BadDigest, rpm.BadSignature:
		return hint.Wrap(err, "somebody changed or damaged it after it was signed: take another mirror, and tell the repository's owner")
	}
	return err
}

// urls is where the package can be had: the mirrors, then the archives.
func (p *Package) urls() []string {
	var all []string
	for _, base := range p.Snapshot.basesOr(p.Base) {
		all = append(all, join(base, p.Location))
	}
	if p.Former != "" && !slices.Contains(all, p.Former) {
		all = append(all, p.Former)
	}
	for _, archive := range p.Snapshot.Fallbacks {
		all = append(all, p.archived(archive)...)
	}
	return all
}

// URL is where the package is in a mirror of its repository, whose base URL is base.
func (p *Package) URL(base string) string {
	if bases := p.Snapshot.basesOr(p.Base); len(bases) == 1 && bases[0] == p.Base {
		base = p.Base
	}
	return join(base, p.Location)
}

// FedoraArchive is the archive that keeps every package that Fedora ever built.
const FedoraArchive = "https://kojipkgs.fedoraproject.org/packages/"

// archived is where an archive that is laid out as Koji's keeps the package:
// below NAME/VERSION/RELEASE of its source package, signed copies in
// data/signed by the last eight digits of the key's id, and the package as it
// was built, which is another file, not signed.
func (p *Package) archived(archive string) []string {
	source, err := rpm.ParseNEVRA(p.Source)
	file := p.FileName()
	if err != nil || slices.ContainsFunc([]string{source.Name, source.Version, source.Release, p.Arch, file}, leaves) {
		return nil
	}
	folder := path.Join(source.Name, source.Version, source.Release)
	var all []string
	if p.Snapshot.Keys != nil {
		for _, key := range p.Snapshot.Keys.Keys() {
			all = append(all, join(archive, path.Join(folder, "data/signed", key.ShortID(), p.Arch, file)))
		}
	}
	return append(all, join(archive, path.Join(folder, p.Arch, file)))
}

// leaves reports whether a part of a path leads elsewhere. What a lock says of a package may be anybody's.
func leaves(part string) bool {
	return part == "" || part == "." || part == ".." || strings.Contains(part, "/")
}

// verifyVersion is to be counted up when verify learns to refuse more.
const verifyVersion = "1"

// verify verifies the package's file, whose checksum is known to be right,
// unless that was done with the same keys before.
func (p *Package) verify(c *cache.Cache, file string) (*rpm.Signer, error) {
	keys := "none"
	if p.Snapshot.Keys != nil {
		keys = p.Snapshot.Keys.Digest()
	}
	key := cache.Key(verifyVersion, p.Checksum.String(), keys, p.NEVRA.String())
	var signer *rpm.Signer
	if note, _, err := c.Note("verified", key); err == nil && json.Unmarshal(note, &signer) == nil {
		return signer, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	got, signer, err := rpm.Verify(f, p.Snapshot.Keys)
	if err != nil {
		return nil, err
	}
	if n := got.NEVRA(); n != p.NEVRA {
		return nil, fmt.Errorf("it is %s", n)
	}
	note, err := json.Marshal(signer)
	if err != nil {
		return nil, err
	}
	return signer, c.SetNote("verified", key, note)
}
