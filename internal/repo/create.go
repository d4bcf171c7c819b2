package repo

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/rpm"
)

// Create makes a repository in the folder dir of packages that were fetched,
// from what the packages themselves say. It is for packages that the
// repository they came from may no longer list, as those of a lock; where it
// lists them, [Snapshot.Write] keeps its words. comps is a comps file to add,
// nil for none. The same packages give the same bytes, in any order; their files are not
// copied: each belongs at dir joined with its place.
func Create(ctx context.Context, dir string, packages []Fetched, comps []byte, o WriteOptions) error {
	if o.Place == nil {
		o.Place = Place
	}
	w := &writer{dir: dir, options: o}
	if err := w.create(ctx, packages, comps); err != nil {
		return fmt.Errorf("making the repository %s: %w", dir, err)
	}
	return nil
}

func (w *writer) create(ctx context.Context, packages []Fetched, comps []byte) error {
	if err := os.MkdirAll(filepath.Join(w.dir, "repodata"), 0o755); err != nil {
		return err
	}
	packages = slices.Clone(packages)
	slices.SortFunc(packages, func(a, b Fetched) int {
		return cmp.Or(a.Package.NEVRA.Compare(b.Package.NEVRA), strings.Compare(a.Package.Checksum.Hex, b.Package.Checksum.Hex))
	})
	var primary, filelists bytes.Buffer
	var newest int64
	places := map[string]*Package{}
	for _, f := range packages {
		if err := ctx.Err(); err != nil {
			return err
		}
		place, err := w.place(places, f.Package)
		if err != nil {
			return err
		}
		pkg, err := describe(f, place, &primary, &filelists)
		if err != nil {
			return err
		}
		newest = max(newest, pkg.BuildTime)
	}
	for _, part := range []struct{ name, root, namespace, body string }{
		{"primary", "metadata", `xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"`, primary.String()},
		{"filelists", "filelists", `xmlns="http://linux.duke.edu/metadata/filelists"`, filelists.String()},
	} {
		text := fmt.Sprintf("%s<%s %s packages=\"%d\">\n%s</%s>\n", xmlHeader, part.root, part.namespace, len(packages), part.body, part.root)
		if err := w.add(part.name, part.name+".xml", []byte(text), w.options.Zstd, newest); err != nil {
			return err
		}
	}
	if comps != nil {
		if err := w.add("group", "comps.xml", comps, false, newest); err != nil {
			return err
		}
	}
	return w.finish(fmt.Sprint(newest))
}

// describe adds what a package says of itself to primary and filelists.
func describe(f Fetched, place string, primary, filelists *bytes.Buffer) (*Package, error) {
	p, err := rpm.ReadFile(f.Path)
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(f.Path)
	if err != nil {
		return nil, err
	}
	pkg, err := fromHeader(p, f.Package.Checksum, st.Size())
	if err != nil {
		return nil, err
	}
	writePrimary(primary, pkg, p, place)
	return pkg, writeFilelists(filelists, pkg, p)
}

// element writes an element with a text.
func element(b *bytes.Buffer, name, text string) {
	fmt.Fprintf(b, "  <%s>%s</%s>\n", name, escape(text), name)
}

// escape makes text fit for XML: what XML cannot hold is left out.
func escape(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' && c != '\n' || c == 0xFFFE || c == 0xFFFF {
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return html.EscapeString(text)
}

// writePrimary writes the package element of primary.
func writePrimary(b *bytes.Buffer, pkg *Package, p *rpm.Package, place string) {
	h := p.Header
	b.WriteString("<package type=\"rpm\">\n")
	element(b, "name", pkg.Name)
	element(b, "arch", pkg.Arch)
	fmt.Fprintf(b, "  <version epoch=\"%d\" ver=\"%s\" rel=\"%s\"/>\n", pkg.Epoch, escape(pkg.Version), escape(pkg.Release))
	fmt.Fprintf(b, "  <checksum type=\"%s\" pkgid=\"YES\">%s</checksum>\n", pkg.Checksum.Algorithm, pkg.Checksum.Hex)
	element(b, "summary", pkg.Summary)
	element(b, "description", h.String(rpm.Description))
	element(b, "packager", h.String(rpm.Packager))
	element(b, "url", h.String(rpm.URL))
	fmt.Fprintf(b, "  <time file=\"%d\" build=\"%d\"/>\n", pkg.BuildTime, pkg.BuildTime)
	fmt.Fprintf(b, "  <size package=\"%d\" installed=\"%d\" archive=\"%d\"/>\n", pkg.Size, pkg.Installed, h.Int(rpm.ArchiveSize))
	fmt.Fprintf(b, "  <location href=\"%s\"/>\n  <format>\n", escape(place))
	element(b, "rpm:license", pkg.License)
	element(b, "rpm:vendor", h.String(rpm.Vendor))
	element(b, "rpm:group", h.String(rpm.Group))
	element(b, "rpm:buildhost", h.String(rpm.BuildHost))
	element(b, "rpm:sourcerpm", pkg.Source)
	start, end := p.HeaderRange()
	fmt.Fprintf(b, "  <rpm:header-range start=\"%d\" end=\"%d\"/>\n", start, end)
	for _, d := range dependencies {
		writeRelations(b, d.name, *d.of(pkg))
	}
	for _, f := range pkg.Files {
		writeFile(b, f)
	}
	b.WriteString("  </format>\n</package>\n")
}

func writeRelations(b *bytes.Buffer, name string, list []Relation) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "  <rpm:%s>\n", name)
	for _, r := range list {
		fmt.Fprintf(b, "    <rpm:entry name=\"%s\"", escape(r.Name))
		if r.Flags != 0 {
			epoch, rest, ok := strings.Cut(r.EVR, ":")
			if !ok {
				epoch, rest = "0", r.EVR
			}
			version, release := rest, ""
			if i := strings.LastIndexByte(rest, '-'); i >= 0 {
				version, release = rest[:i], rest[i+1:]
			}
			fmt.Fprintf(b, " flags=\"%s\" epoch=\"%s\" ver=\"%s\"", senses[r.Flags], escape(epoch), escape(version))
			if release != "" {
				fmt.Fprintf(b, " rel=\"%s\"", escape(release))
			}
		}
		if r.Pre {
			b.WriteString(` pre="1"`)
		}
		b.WriteString("/>\n")
	}
	fmt.Fprintf(b, "  </rpm:%s>\n", name)
}

// senses are comparisons as primary writes them.
var senses = map[Sense]string{Equal: "EQ", Less: "LT", Greater: "GT", Less | Equal: "LE", Greater | Equal: "GE"}

func writeFile(b *bytes.Buffer, f File) {
	kind := map[FileType]string{Dir: ` type="dir"`, Ghost: ` type="ghost"`}[f.Type]
	fmt.Fprintf(b, "    <file%s>%s</file>\n", kind, escape(f.Path))
}

// writeFilelists writes the package element of filelists.
func writeFilelists(b *bytes.Buffer, pkg *Package, p *rpm.Package) error {
	files, err := p.Files()
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "<package pkgid=\"%s\" name=\"%s\" arch=\"%s\">\n", pkg.Checksum.Hex, escape(pkg.Name), escape(pkg.Arch))
	fmt.Fprintf(b, "  <version epoch=\"%d\" ver=\"%s\" rel=\"%s\"/>\n", pkg.Epoch, escape(pkg.Version), escape(pkg.Release))
	for i := range files {
		writeFile(b, fileOf(&files[i]))
	}
	b.WriteString("</package>\n")
	return nil
}
