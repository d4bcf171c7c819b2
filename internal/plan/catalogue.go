package plan

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

// A catalogue lists the newest packages of a repository, of each name and
// architecture, one on a line: name, architecture, epoch, version, release,
// checksum, and the relations that it obsoletes, in fields that tabs part.
// Several packages of the same version all stand there. Packages of module streams,
// which are not on offer until a stream is chosen, do not.
type catalogue []byte

// place is where packages are looked up.
type place struct{ name, arch string }

func newCatalogue(packages []*repo.Package) catalogue {
	newest := map[place][]*repo.Package{}
	var order []place
	for _, p := range packages {
		if modular(p.Release) || strings.ContainsFunc(p.NEVRA.String(), func(c rune) bool { return c <= ' ' }) {
			continue
		}
		at := place{p.Name, p.Arch}
		known := newest[at]
		if known == nil {
			order = append(order, at)
		}
		switch {
		case known == nil || p.EVR.Compare(known[0].EVR) > 0:
			newest[at] = append(known[:0], p)
		case p.EVR.Compare(known[0].EVR) == 0:
			newest[at] = append(known, p)
		}
	}
	var b bytes.Buffer
	for _, at := range order {
		for _, p := range newest[at] {
			writeListing(&b, p)
		}
	}
	return b.Bytes()
}

// modular reports whether a package belongs to a module stream, as its release tells.
func modular(release string) bool {
	return strings.Contains(release, ".module+") || strings.Contains(release, ".module_")
}

func writeListing(b *bytes.Buffer, p *repo.Package) {
	for _, field := range []string{p.Name, p.Arch, strconv.Itoa(p.Epoch), p.Version, p.Release} {
		b.WriteString(field + "\t")
	}
	b.WriteString(p.Checksum.String())
	for _, o := range p.Obsoletes {
		if s := strconv.Itoa(int(o.Flags)) + " " + o.EVR + " " + o.Name; !strings.ContainsAny(s, "\t\n") {
			b.WriteString("\t" + s)
		}
	}
	b.WriteByte('\n')
}

// A listing is a line of a catalogue.
type listing struct {
	rpm.NEVRA
	checksum string
}

var errCatalogue = errors.New("a repository's catalogue in the cache is damaged: remove the cache")

// each calls found for each package that has one of names, and obsoletes for
// each relation to one of names by which another package obsoletes it.
func (c catalogue) each(names map[string]bool, found func(listing), obsoletes func(by string, what repo.Relation)) error {
	for line := range bytes.Lines(c) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		name, _, _ := bytes.Cut(line, []byte("\t"))
		wanted := names[string(name)]
		if !wanted && bytes.Count(line, []byte("\t")) < 6 {
			continue
		}
		fields := strings.Split(string(line), "\t")
		if len(fields) < 6 {
			return errCatalogue
		}
		if wanted {
			epoch, err := strconv.Atoi(fields[2])
			if err != nil {
				return errCatalogue
			}
			found(listing{rpm.NEVRA{Name: fields[0], EVR: rpm.EVR{Epoch: epoch, Version: fields[3], Release: fields[4]}, Arch: fields[1]}, fields[5]})
		}
		for _, o := range fields[6:] {
			parts := strings.SplitN(o, " ", 3)
			if len(parts) != 3 {
				return errCatalogue
			}
			flags, err := strconv.Atoi(parts[0])
			if err != nil {
				return errCatalogue
			}
			if names[parts[2]] && parts[2] != fields[0] {
				obsoletes(fields[0], repo.Relation{Name: parts[2], Flags: repo.Sense(flags), EVR: parts[1]})
			}
		}
	}
	return nil
}

// offers is what repositories have under the names of some packages.
type offers struct {
	best      map[place]listing
	listed    map[string]bool // checksums
	obsoleted map[string][]repo.Relation
}

// has reports whether the repositories still list a package's file.
func (o *offers) has(checksum string) bool { return o.listed[checksum] }

// obsolete reports whether another package takes the place of l.
func (o *offers) obsolete(l listing) bool {
	self := repo.Relation{Name: l.Name, Flags: repo.Equal, EVR: l.EVR.String()}
	return slices.ContainsFunc(o.obsoleted[l.Name], func(r repo.Relation) bool { return r.Satisfies(self) })
}
