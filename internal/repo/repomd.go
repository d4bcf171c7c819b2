package repo

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/respin-project/respin/internal/cache"
)

// A Record is one metadata file that repomd.xml names.
type Record struct {
	Type      string // "primary", "filelists", "group_gz" …
	Location  string // relative to Base, or to the repository's URL if Base is empty
	Base      string // xml:base, a URL; usually empty
	Digest    cache.Digest
	Size      int64        // bytes; negative if not given
	Open      cache.Digest // of the uncompressed bytes; zero if not given
	OpenSize  int64        // bytes; negative if not given
	Timestamp int64        // seconds since 1970
}

// repomd is the index of a repository.
type repomd struct {
	revision string
	records  []Record
}

// parseRepomd reads repomd.xml.
func parseRepomd(data []byte) (*repomd, error) {
	p := newParser(bytes.NewReader(data))
	m := &repomd{}
	err := p.document("repomd", func() error {
		switch string(p.name) {
		case "revision":
			text, err := p.content()
			m.revision = string(bytes.TrimSpace(text))
			return err
		case "data":
			r, err := p.record()
			if err != nil {
				return fmt.Errorf("%q: %w", r.Type, err)
			}
			m.records = append(m.records, r)
			return nil
		}
		return p.skip()
	})
	if err == nil && m.record("primary") == nil {
		err = errors.New("it names no primary metadata")
	}
	if err != nil {
		return nil, malformed("repomd.xml", p.line, err)
	}
	return m, nil
}

func (p *parser) record() (Record, error) {
	r := Record{Type: string(p.attr("type")), Size: -1, OpenSize: -1}
	err := p.children(func() (err error) {
		switch string(p.name) {
		case "checksum":
			r.Digest, err = p.digest()
		case "open-checksum":
			r.Open, err = p.digest()
		case "location":
			r.Location, r.Base = string(p.attr("href")), string(p.attr("xml:base"))
			err = p.skip()
		case "size":
			r.Size, err = p.integer()
		case "open-size":
			r.OpenSize, err = p.integer()
		case "timestamp":
			// Some old tools write a fraction.
			var text []byte
			if text, err = p.content(); err == nil {
				text, _, _ = bytes.Cut(text, []byte{'.'})
				r.Timestamp, err = number(text)
			}
		default:
			err = p.skip()
		}
		return err
	})
	switch {
	case err != nil:
	case r.Digest.Hex == "":
		err = errors.New("it has no checksum")
	case r.Location == "" || strings.HasPrefix(r.Location, "/") || strings.Contains(r.Location, "://"):
		err = fmt.Errorf("its location is %q", r.Location)
	}
	return r, err
}

// integer reads an element that is a number.
func (p *parser) integer() (int64, error) {
	text, err := p.content()
	if err != nil {
		return 0, err
	}
	return number(text)
}

// record returns the record of the first of the types that there is one of.
func (m *repomd) record(types ...string) *Record {
	for _, t := range types {
		for i := range m.records {
			if m.records[i].Type == t {
				return &m.records[i]
			}
		}
	}
	return nil
}

// newest is the newest timestamp of the records.
func (m *repomd) newest() int64 {
	var newest int64
	for _, r := range m.records {
		newest = max(newest, r.Timestamp)
	}
	return newest
}
