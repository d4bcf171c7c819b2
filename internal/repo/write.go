package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/pending"
)

// WriteOptions says how Write writes.
type WriteOptions struct {
	Zstd  bool                  // compress primary and filelists, which old distributions cannot read
	Place func(*Package) string // a package's location relative to dir; nil: Place
}

// Place is where Write expects a package's file unless told otherwise:
// Packages/ and the last element of its location.
func Place(p *Package) string { return "Packages/" + path.Base(p.Location) }

// Write makes a repository in the folder dir that lists only packages, which
// must be of this snapshot, with the metadata they have here: primary and
// filelists of these packages, and comps and modules whole. The same packages
// give the same bytes, in any order. The packages' own files are not copied:
// each belongs at dir joined with its place.
//
// repomd.xml is written last. What was in dir/repodata before stays.
func (s *Snapshot) Write(ctx context.Context, dir string, packages []*Package, o WriteOptions) error {
	if o.Place == nil {
		o.Place = Place
	}
	w := &writer{s: s, dir: dir, options: o, wanted: map[string]*Package{}}
	err := w.choose(packages)
	if err == nil {
		err = w.write(ctx)
	}
	if err != nil {
		return s.errorf("writing "+dir, err)
	}
	return nil
}

type writer struct {
	s       *Snapshot
	dir     string
	options WriteOptions
	wanted  map[string]*Package // by checksum
	index   bytes.Buffer        // repomd.xml, the records
}

// choose notes which packages are wanted.
func (w *writer) choose(packages []*Package) error {
	places := map[string]*Package{}
	for _, p := range packages {
		if p.Snapshot != w.s {
			return fmt.Errorf("%s is of another repository", p.NEVRA)
		}
		if _, err := w.place(places, p); err != nil {
			return err
		}
		w.wanted[p.Checksum.Hex] = p
	}
	return nil
}

// place returns where a package belongs, unless another does.
func (w *writer) place(places map[string]*Package, p *Package) (string, error) {
	place := w.options.Place(p)
	if other := places[place]; other != nil && other.Checksum != p.Checksum {
		return "", fmt.Errorf("%s and %s would both be at %s", other.NEVRA, p.NEVRA, place)
	}
	places[place] = p
	return place, nil
}

func (w *writer) write(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(w.dir, "repodata"), 0o755); err != nil {
		return err
	}
	for _, part := range []struct {
		name  string
		parse func(io.Reader) ([]byte, error)
	}{{"primary", w.primary}, {"filelists", w.filelists}} {
		record := w.s.record(part.name)
		if record == nil {
			continue
		}
		var text []byte
		err := w.s.read(ctx, part.name, record, func(r io.Reader) (err error) {
			text, err = part.parse(r)
			return err
		})
		if err == nil {
			err = w.add(part.name, part.name+".xml", text, w.options.Zstd, record.Timestamp)
		}
		if err != nil {
			return err
		}
	}
	var comps []byte
	if err := w.s.readComps(ctx, readWhole(&comps)); err != nil {
		return err
	}
	if err := w.whole("group", "comps.xml", comps, "group_gz", "group_zst", "group_xz", "group"); err != nil {
		return err
	}
	modules, err := w.s.Modules(ctx)
	if err != nil {
		return err
	}
	if err := w.whole("modules", "modules.yaml", modules, "modules"); err != nil {
		return err
	}
	return w.finish(w.s.Revision)
}

// finish writes repomd.xml.
func (w *writer) finish(revision string) error {
	text := xmlHeader + `<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">` + "\n" +
		"  <revision>" + escape(revision) + "</revision>\n" + w.index.String() + "</repomd>\n"
	return w.file("repomd.xml", []byte(text))
}

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// whole writes metadata that is not restricted, if there is any, with the time
// of the first of the types.
func (w *writer) whole(kind, name string, text []byte, types ...string) error {
	if text == nil {
		return nil
	}
	return w.add(kind, name, text, false, w.s.record(types...).Timestamp)
}

// primary returns primary metadata of the wanted packages, byte for byte as it is but for their locations.
func (w *writer) primary(r io.Reader) ([]byte, error) {
	var b bytes.Buffer
	found := map[string]bool{}
	err := eachRaw(r, "metadata", func(raw *rawPackage) {
		p := w.wanted[raw.checksum]
		if p == nil || p.Location != raw.href || found[raw.checksum] {
			return
		}
		found[raw.checksum] = true
		b.Write(raw.text[:raw.locationStart])
		fmt.Fprintf(&b, `<location href="%s"/>`, escape(w.options.Place(p)))
		b.Write(raw.text[raw.locationEnd:])
		b.WriteByte('\n')
	})
	if err != nil {
		return nil, malformed("primary", 0, err)
	}
	for checksum, p := range w.wanted {
		if !found[checksum] {
			return nil, fmt.Errorf("primary has no %s", p.NEVRA)
		}
	}
	head := fmt.Sprintf(`<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">`, len(found))
	return []byte(xmlHeader + head + "\n" + b.String() + "</metadata>\n"), nil
}

func (w *writer) filelists(r io.Reader) ([]byte, error) {
	var b bytes.Buffer
	found := map[string]bool{}
	err := eachRaw(r, "filelists", func(raw *rawPackage) {
		if w.wanted[raw.checksum] != nil && !found[raw.checksum] {
			found[raw.checksum] = true
			b.Write(raw.text)
			b.WriteByte('\n')
		}
	})
	if err != nil {
		return nil, malformed("filelists", 0, err)
	}
	head := fmt.Sprintf(`<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="%d">`, len(found))
	return []byte(xmlHeader + head + "\n" + b.String() + "</filelists>\n"), nil
}

// rawPackage is a package element of primary or filelists, as it stands there.
type rawPackage struct {
	text                       []byte
	checksum                   string
	href                       string // of primary
	locationStart, locationEnd int    // of the location element in text
}

// eachRaw calls each for every package element.
func eachRaw(r io.Reader, root string, each func(*rawPackage)) error {
	p := newParser(r)
	return p.document(root, func() error {
		if string(p.name) != "package" {
			return p.skip()
		}
		raw := rawPackage{checksum: strings.ToLower(string(p.attr("pkgid")))}
		p.keep = p.from
		err := p.children(func() error {
			switch string(p.name) {
			case "checksum":
				text, err := p.content()
				raw.checksum = strings.ToLower(string(bytes.TrimSpace(text)))
				return err
			case "location":
				raw.href = string(p.attr("href"))
				raw.locationStart = p.from - p.keep
				err := p.skip()
				raw.locationEnd = p.pos - p.keep
				return err
			}
			return p.skip()
		})
		if err != nil {
			return err
		}
		raw.text = p.buf[p.keep:p.pos]
		each(&raw)
		p.keep = -1
		return nil
	})
}

// add writes a metadata file and names it in the index.
func (w *writer) add(kind, name string, text []byte, compress bool, timestamp int64) error {
	open, data := text, text
	if compress {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		data = e.EncodeAll(text, nil)
		name += ".zst"
	}
	sum := checksum(data)
	name = sum + "-" + name
	fmt.Fprintf(&w.index, "  <data type=%q>\n    <checksum type=\"sha256\">%s</checksum>\n", kind, sum)
	if compress {
		fmt.Fprintf(&w.index, "    <open-checksum type=\"sha256\">%s</open-checksum>\n", checksum(open))
	}
	fmt.Fprintf(&w.index, "    <location href=\"repodata/%s\"/>\n    <timestamp>%d</timestamp>\n    <size>%d</size>\n", name, timestamp, len(data))
	if compress {
		fmt.Fprintf(&w.index, "    <open-size>%d</open-size>\n", len(open))
	}
	w.index.WriteString("  </data>\n")
	return w.file(name, data)
}

func (w *writer) file(name string, data []byte) error {
	return pending.WriteFile(filepath.Join(w.dir, "repodata", name), data, 0o644)
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
