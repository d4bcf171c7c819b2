package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// parsePrimary reads primary metadata: what there is to say of every package.
// The format is that of createrepo_c.
func parsePrimary(r io.Reader, each func(*Package) error) error {
	return (&primaryParser{parser: newParser(r)}).parse(each)
}

// parseOutline is parsePrimary without what Snapshot.Outline leaves out.
func parseOutline(r io.Reader, each func(*Package) error) error {
	return (&primaryParser{parser: newParser(r), outline: true}).parse(each)
}

func (p *primaryParser) parse(each func(*Package) error) error {
	err := p.document("metadata", func() error {
		if string(p.name) != "package" {
			return p.skip()
		}
		if kind := p.attr("type"); kind != nil && string(kind) != "rpm" {
			return p.skip()
		}
		pkg, err := p.pkg()
		if err != nil {
			if pkg != nil && pkg.Name != "" {
				err = fmt.Errorf("package %q: %w", pkg.Name, err)
			}
			return err
		}
		return each(pkg)
	})
	return malformed("primary", p.line, err)
}

type primaryParser struct {
	*parser
	packages  arena[Package]
	relations arena[Relation]
	files     arena[File]
	list      []Relation // the one that is being read
	fileList  []File
	evr       []byte
	count     int  // relations and files so far
	outline   bool // read of the format what obsoletes other packages only
}

// maxEntries bounds the relations and files of a repository, which take more
// memory than room in the metadata. Fedora has some three million.
const maxEntries = 16 << 20

// arena hands out slices of large blocks, so that there are few objects for
// the garbage collector to look at.
type arena[T any] struct{ block []T }

// keep copies v.
func (a *arena[T]) keep(v []T) []T {
	if len(v) == 0 {
		return nil
	}
	if cap(a.block)-len(a.block) < len(v) {
		a.block = make([]T, 0, max(1024, len(v)))
	}
	start := len(a.block)
	a.block = append(a.block, v...)
	return a.block[start:len(a.block):len(a.block)]
}

// pkg reads a package element. With an error it returns what it has of it.
func (p *primaryParser) pkg() (*Package, error) {
	pkg := &p.packages.keep([]Package{{}})[0]
	err := p.children(func() (err error) {
		switch string(p.name) {
		case "name":
			pkg.Name, err = p.internContent()
		case "arch":
			pkg.Arch, err = p.internContent()
		case "version":
			err = p.version(pkg)
		case "checksum":
			pkg.Checksum, err = p.digest()
		case "summary":
			var text []byte
			text, err = p.content()
			pkg.Summary = strings.ToValidUTF8(string(bytes.TrimSpace(text)), "\uFFFD")
		case "time":
			pkg.BuildTime, err = number(p.attr("build"))
			return errors.Join(err, p.skip())
		case "size":
			var err2 error
			pkg.Size, err = number(p.attr("package"))
			pkg.Installed, err2 = number(p.attr("installed"))
			return errors.Join(err, err2, p.skip())
		case "location":
			pkg.Location, pkg.Base = string(p.attr("href")), p.intern(p.attr("xml:base"))
			return p.skip()
		case "format":
			err = p.format(pkg)
		default:
			err = p.skip()
		}
		return err
	})
	if err == nil {
		err = pkg.check()
	}
	return pkg, err
}

func (p *primaryParser) internContent() (string, error) {
	text, err := p.content()
	return p.intern(bytes.TrimSpace(text)), err
}

func (p *primaryParser) version(pkg *Package) error {
	epoch, err := number(p.attr("epoch"))
	if err != nil || epoch > 1<<31-1 {
		return fmt.Errorf("epoch %q", p.attr("epoch"))
	}
	pkg.Epoch, pkg.Version, pkg.Release = int(epoch), p.intern(p.attr("ver")), p.intern(p.attr("rel"))
	return p.skip()
}

// check refuses a package that lacks what everything else relies on, or whose
// names could lead a file name astray.
func (p *Package) check() error {
	for _, part := range []struct{ what, value string }{{"name", p.Name}, {"version", p.Version}, {"release", p.Release}, {"architecture", p.Arch}} {
		odd := strings.ContainsFunc(part.value, func(c rune) bool { return c <= ' ' || c > '~' || c == '/' })
		if part.value == "" || odd {
			return fmt.Errorf("its %s is %q", part.what, part.value)
		}
	}
	switch {
	case p.Checksum.Hex == "":
		return errors.New("it has no checksum")
	case p.Location == "" || strings.HasPrefix(p.Location, "/") || strings.Contains(p.Location, "://") || strings.ContainsFunc(p.Location, func(c rune) bool { return c < ' ' }):
		return fmt.Errorf("its location is %q", p.Location)
	}
	return nil
}

// format reads what comes from the package's header.
func (p *primaryParser) format(pkg *Package) error {
	p.fileList = p.fileList[:0]
	err := p.children(func() (err error) {
		if p.outline && string(p.name) != "obsoletes" {
			return p.skip()
		}
		switch string(p.name) {
		case "license":
			pkg.License, err = p.internContent()
		case "sourcerpm":
			pkg.Source, err = p.internContent()
		case "file":
			if err = p.file(&p.fileList); len(p.fileList) > maxEntries {
				err = p.counted(len(p.fileList))
			}
		case "provides":
			pkg.Provides, err = p.relationList()
		case "requires":
			pkg.Requires, err = p.relationList()
		case "recommends":
			pkg.Recommends, err = p.relationList()
		case "suggests":
			pkg.Suggests, err = p.relationList()
		case "supplements":
			pkg.Supplements, err = p.relationList()
		case "enhances":
			pkg.Enhances, err = p.relationList()
		case "conflicts":
			pkg.Conflicts, err = p.relationList()
		case "obsoletes":
			pkg.Obsoletes, err = p.relationList()
		default:
			err = p.skip()
		}
		return err
	})
	pkg.Files = p.files.keep(p.fileList)
	return errors.Join(err, p.counted(len(p.fileList)))
}

// counted keeps count of what is held in memory.
func (p *primaryParser) counted(n int) error {
	if p.count += n; p.count > maxEntries {
		return errors.New("there are more dependencies and files than anything honest has")
	}
	return nil
}

// file reads a file element, of primary or filelists.
func (p *parser) file(list *[]File) error {
	f := File{}
	switch string(p.attr("type")) {
	case "dir":
		f.Type = Dir
	case "ghost":
		f.Type = Ghost
	}
	path, err := p.content()
	f.Path = string(path)
	*list = append(*list, f)
	return err
}

func (p *primaryParser) relationList() ([]Relation, error) {
	p.list = p.list[:0]
	err := p.children(func() error {
		if string(p.name) == "entry" {
			r, err := p.relation()
			if err != nil {
				return err
			}
			p.list = append(p.list, r)
			if err := p.counted(1); err != nil {
				return err
			}
		}
		return p.skip()
	})
	return p.relations.keep(p.list), err
}

func (p *primaryParser) relation() (Relation, error) {
	r := Relation{Name: p.intern(p.attr("name")), Pre: yes(p.attr("pre"))}
	if r.Name == "" {
		return r, errors.New("a dependency without a name")
	}
	switch flags := p.attr("flags"); string(flags) {
	case "":
		return r, nil
	case "EQ":
		r.Flags = Equal
	case "LT":
		r.Flags = Less
	case "GT":
		r.Flags = Greater
	case "LE":
		r.Flags = Less | Equal
	case "GE":
		r.Flags = Greater | Equal
	default:
		return r, fmt.Errorf("dependency %q compares with %q", r.Name, flags)
	}
	p.evr = p.evr[:0]
	if epoch := p.attr("epoch"); len(epoch) > 0 && string(epoch) != "0" {
		p.evr = append(append(p.evr, epoch...), ':')
	}
	p.evr = append(p.evr, p.attr("ver")...)
	if release := p.attr("rel"); len(release) > 0 {
		p.evr = append(append(p.evr, '-'), release...)
	}
	r.EVR = p.intern(p.evr)
	return r, nil
}
