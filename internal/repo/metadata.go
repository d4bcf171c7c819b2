package repo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/compression"
	"github.com/respin-project/respin/internal/fetch"
)

// Bounds of what metadata files unpack to, in bytes, whatever repomd.xml says.
// What is read piece by piece may be longer than what stays in memory.
const (
	maxFilelists = 4 << 30
	maxOpen      = 1 << 30
)

// Packages returns what the repository's primary metadata lists and its
// Excludes and Includes leave, in the metadata's order. The slice and what it
// points to are shared: do not modify them.
func (s *Snapshot) Packages(ctx context.Context) ([]*Package, error) {
	return s.packages.get(func() ([]*Package, error) { return s.primary(ctx, parsePrimary) })
}

// Outline is Packages without licenses, sources, files and relations other than Obsoletes,
// in two thirds of the time. It is read anew each time.
func (s *Snapshot) Outline(ctx context.Context) ([]*Package, error) {
	return s.primary(ctx, parseOutline)
}

func (s *Snapshot) primary(ctx context.Context, parse func(io.Reader, func(*Package) error) error) ([]*Package, error) {
	filter, err := newFilter(s.Excludes, s.Includes)
	if err != nil {
		return nil, s.errorf("", err)
	}
	var all []*Package
	err = s.read(ctx, "primary", s.record("primary"), func(r io.Reader) error {
		return parse(r, func(p *Package) error {
			p.Snapshot = s
			if filter.keeps(p) {
				all = append(all, p)
			}
			return nil
		})
	})
	return all, err
}

// Filelists calls each for every package of filelists with all its files,
// until each returns an error. Files that primary lists are among them. files
// is only valid during the call; its paths may be kept.
func (s *Snapshot) Filelists(ctx context.Context, each func(checksum cache.Digest, files []File) error) error {
	return s.read(ctx, "filelists", s.record("filelists"), func(r io.Reader) error {
		return parseFilelists(r, s.digestAlgorithm(ctx), each)
	})
}

// digestAlgorithm is the algorithm of the packages' checksums, which filelists does not say.
func (s *Snapshot) digestAlgorithm(ctx context.Context) string {
	if all, err := s.Packages(ctx); err == nil && len(all) > 0 {
		return all[0].Checksum.Algorithm
	}
	return "sha256"
}

// Comps returns the repository's groups and environments; nil if it has none.
func (s *Snapshot) Comps(ctx context.Context) (*Comps, error) {
	return s.comps.get(func() (c *Comps, err error) {
		err = s.readComps(ctx, func(r io.Reader) error {
			c, err = parseComps(r)
			return err
		})
		return c, err
	})
}

// readComps calls parse with the comps file, if there is one. It is there in
// several forms, of which a mirror need not have all.
func (s *Snapshot) readComps(ctx context.Context, parse func(io.Reader) error) (err error) {
	for _, kind := range []string{"group_gz", "group_zst", "group_xz", "group"} {
		if record := s.record(kind); record != nil {
			if err = s.read(ctx, "comps", record, parse); !errors.Is(err, fetch.ErrNotFound) {
				return err
			}
		}
	}
	return err
}

// Advisories returns the repository's updateinfo, in its order; nil if it has none.
func (s *Snapshot) Advisories(ctx context.Context) ([]Advisory, error) {
	return s.updates.get(func() (all []Advisory, err error) {
		if r := s.record("updateinfo"); r != nil {
			err = s.read(ctx, "updateinfo", r, func(r io.Reader) error {
				all, err = parseUpdateinfo(r)
				return err
			})
		}
		return all, err
	})
}

// Modules returns the repository's module metadata, uncompressed; nil if it has none.
func (s *Snapshot) Modules(ctx context.Context) ([]byte, error) {
	return s.modules.get(func() (data []byte, err error) {
		if r := s.record("modules"); r != nil {
			err = s.read(ctx, "modules", r, readWhole(&data))
		}
		return data, err
	})
}

// maxWhole bounds metadata that is held in memory whole, in bytes.
const maxWhole = 256 << 20

// readWhole reads all of r into data.
func readWhole(data *[]byte) func(io.Reader) error {
	return func(r io.Reader) (err error) {
		*data, err = io.ReadAll(io.LimitReader(r, maxWhole+1))
		if err == nil && len(*data) > maxWhole {
			err = fmt.Errorf("it is longer than %d MiB", maxWhole>>20)
		}
		return err
	}
}

// record returns the record of the first of the types that there is one of.
func (s *Snapshot) record(types ...string) *Record {
	return (&repomd{records: s.Records}).record(types...)
}

// read downloads a metadata file and calls parse with its uncompressed
// content, which is verified on the way: nothing of it counts unless read succeeds.
func (s *Snapshot) read(ctx context.Context, what string, record *Record, parse func(io.Reader) error) error {
	if record == nil {
		return s.errorf("", fmt.Errorf("it has no %s metadata", what))
	}
	path, err := s.fetch(ctx, record)
	if err != nil {
		return s.errorf("", err)
	}
	if err := readFile(ctx, path, record, parse); err != nil {
		return s.errorf("reading "+what, err)
	}
	return nil
}

// Metadata opens a metadata file as it was verified, by its location relative
// to the repository's URL: repomd.xml, or the file of one of Records, which is
// downloaded if need be. The error is fetch.ErrNotFound if there is no such file.
func (s *Snapshot) Metadata(ctx context.Context, location string) (io.ReadSeekCloser, error) {
	if location == repomdPath {
		return struct {
			io.ReadSeeker
			io.Closer
		}{bytes.NewReader(s.repomd), io.NopCloser(nil)}, nil
	}
	for i := range s.Records {
		if s.Records[i].Location == location {
			path, err := s.fetch(ctx, &s.Records[i])
			if err != nil {
				return nil, s.errorf("", err)
			}
			return os.Open(path)
		}
	}
	return nil, s.errorf("", fmt.Errorf("%s: %w", location, fetch.ErrNotFound))
}

// basesOr returns the base URLs, or only the one that metadata gives instead,
// which must not lead from a server to files of this machine.
func (s *Snapshot) basesOr(base string) []string {
	local := !strings.Contains(s.URL, "://") || strings.HasPrefix(s.URL, "file://")
	if base == "" || !fetchable(base) && !local {
		return s.bases
	}
	return []string{base}
}

// fetch downloads a metadata file into the cache.
func (s *Snapshot) fetch(ctx context.Context, record *Record) (file string, err error) {
	bases := s.basesOr(record.Base)
	f := fetch.File{Name: path.Base(record.Location), Digest: record.Digest, Size: record.Size}
	for _, base := range bases {
		f.URLs = append(f.URLs, join(base, record.Location))
	}
	// All shows the progress.
	err = s.fetcher.All(ctx, fmt.Sprintf("fetching %s of %s", record.Type, s.Name), []fetch.File{f}, func(_ int, got string) error {
		file = got
		return nil
	})
	return file, err
}

// readFile reads a compressed file whose bytes were verified already.
func readFile(ctx context.Context, path string, record *Record, parse func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := compression.NewReader(f)
	if err != nil {
		return err
	}
	defer plain.Close()
	limit := int64(maxOpen)
	if record.Type == "filelists" {
		limit = maxFilelists
	}
	if record.OpenSize >= 0 {
		limit = min(limit, record.OpenSize)
	}
	v := &verified{ctx: ctx, r: plain, left: limit}
	if record.Open.Hex != "" {
		v.hash = record.Open.New()
	}
	if err := parseAhead(v, parse); err != nil {
		return err
	}
	return v.check(record)
}

// verified hashes and counts what is read, and stops at a limit.
type verified struct {
	ctx  context.Context
	r    io.Reader
	left int64
	read int64
	hash hash.Hash // nil if there is no digest
}

var errTooLong = errors.New("it unpacks to more than it should")

func (v *verified) Read(b []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, err
	}
	// One byte more shows that there is one.
	n, err := v.r.Read(b[:min(int64(len(b)), v.left+1)])
	if int64(n) > v.left {
		return 0, errTooLong
	}
	v.left -= int64(n)
	v.read += int64(n)
	if v.hash != nil {
		v.hash.Write(b[:n])
	}
	return n, err
}

func (v *verified) check(record *Record) error {
	if record.OpenSize >= 0 && v.read != record.OpenSize {
		return fmt.Errorf("%w: it unpacks to %d bytes instead of %d", cache.ErrBadDigest, v.read, record.OpenSize)
	}
	if v.hash != nil && hex.EncodeToString(v.hash.Sum(nil)) != record.Open.Hex {
		return fmt.Errorf("%w: it does not unpack to %s", cache.ErrBadDigest, record.Open)
	}
	return nil
}
