package repo

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/cache"
)

// metalink says where a repository's mirrors are and what their repomd.xml must be.
type metalink struct {
	bases   []string  // base URLs of the mirrors, the preferred ones first
	current version   // of repomd.xml
	older   []version // that mirrors may have which are not up to date yet
}

// version is one version of repomd.xml.
type version struct {
	size    int64 // bytes; negative if not given
	digests []cache.Digest
}

// mirrorSuffix is what a metalink's URLs have behind the base URL.
const mirrorSuffix = "repodata/repomd.xml"

// parseMetalink reads a metalink of version 3 (metalinker.org) with the
// extensions of Fedora's MirrorManager, in which older versions of the file stand as mm0:alternates.
func parseMetalink(data []byte) (*metalink, error) {
	p := newParser(bytes.NewReader(data))
	m := &metalink{}
	found := false
	err := p.document("metalink", func() error {
		if string(p.name) != "files" {
			return p.skip()
		}
		return p.children(func() error {
			if string(p.name) != "file" || string(p.attr("name")) != "repomd.xml" || found {
				return p.skip()
			}
			found = true
			return p.metalinkFile(m)
		})
	})
	switch {
	case err != nil:
	case !found:
		err = errors.New("it is not about a repomd.xml")
	case len(m.current.digests) == 0:
		err = errors.New("it has no checksum that can be trusted")
	case len(m.bases) == 0:
		err = errors.New("it names no mirror that can be reached by http or https")
	}
	if err != nil {
		return nil, malformed("metalink", p.line, err)
	}
	return m, nil
}

// mirror is a URL of a metalink.
type mirror struct {
	base       string
	preference int64
}

func (p *parser) metalinkFile(m *metalink) error {
	m.current.size = -1
	var mirrors []mirror
	err := p.children(func() (err error) {
		switch string(p.name) {
		case "size":
			m.current.size, err = p.integer()
		case "verification":
			m.current.digests, err = p.hashes()
		case "alternates":
			err = p.children(func() error {
				v, err := p.alternate()
				m.older = append(m.older, v)
				return err
			})
		case "resources":
			err = p.children(func() error {
				preference, err := number(p.attr("preference"))
				if err != nil {
					return err
				}
				text, err := p.content()
				if base, ok := strings.CutSuffix(string(bytes.TrimSpace(text)), mirrorSuffix); ok && fetchable(base) {
					mirrors = append(mirrors, mirror{base, preference})
				}
				return err
			})
		default:
			err = p.skip()
		}
		return err
	})
	slices.SortStableFunc(mirrors, func(a, b mirror) int { return int(b.preference - a.preference) })
	for _, mirror := range mirrors {
		m.bases = append(m.bases, mirror.base)
	}
	return err
}

func (p *parser) alternate() (version, error) {
	v := version{size: -1}
	err := p.children(func() (err error) {
		switch string(p.name) {
		case "size":
			v.size, err = p.integer()
		case "verification":
			v.digests, err = p.hashes()
		default:
			err = p.skip()
		}
		return err
	})
	return v, err
}

// hashes reads a verification element. Weak checksums stand beside strong ones
// there, and are left out.
func (p *parser) hashes() ([]cache.Digest, error) {
	var all []cache.Digest
	err := p.children(func() error {
		if string(p.name) != "hash" {
			return p.skip()
		}
		algorithm := string(p.attr("type"))
		text, err := p.content()
		if err != nil {
			return err
		}
		if d, err := cache.NewDigest(algorithm, string(bytes.TrimSpace(text))); err == nil {
			all = append(all, d)
		} else if strings.HasPrefix(strings.ToLower(algorithm), "sha2") || strings.HasPrefix(strings.ToLower(algorithm), "sha5") {
			return err
		}
		return nil
	})
	return all, err
}

// check says whether data is a version of repomd.xml that the metalink knows.
func (m *metalink) check(data []byte) error {
	for _, v := range append([]version{m.current}, m.older...) {
		if v.matches(data) {
			return nil
		}
	}
	return fmt.Errorf("%w with any version of it that the metalink knows", cache.ErrBadDigest)
}

func (v version) matches(data []byte) bool {
	if len(v.digests) == 0 || v.size >= 0 && v.size != int64(len(data)) {
		return false
	}
	for _, d := range v.digests {
		h := d.New()
		h.Write(data)
		if fmt.Sprintf("%x", h.Sum(nil)) != d.Hex {
			return false
		}
	}
	return true
}

// fetchable reports whether a mirror can be reached by http or https. A list
// from elsewhere must not lead to files of this machine.
func fetchable(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// parseMirrorlist reads a list of base URLs, one a line.
func parseMirrorlist(data []byte) ([]string, error) {
	var bases []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && fetchable(line) {
			bases = append(bases, line)
		}
	}
	if len(bases) == 0 {
		return nil, malformed("mirrorlist", 0, errors.New("it names no mirror that can be reached by http or https"))
	}
	return bases, nil
}
