package kickstart

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// judgeMissing decides about the %include lines that could not be followed.
// A file that the installer or a %pre script makes cannot exist yet: its line
// stays, with a warning. Any other is an error.
func (p *parser) judgeMissing() {
	for _, m := range p.pending {
		p.line = m.line
		if m.keep {
			p.kickstart.Unresolved = append(p.kickstart.Unresolved, m.Include)
			continue
		}
		if filepath.IsAbs(m.File) && (installTime(m.File) || p.madeByScript(m.File)) {
			p.kickstart.Unresolved = append(p.kickstart.Unresolved, m.Include)
			p.warn(m.Place, "%%include %s stays as it is: the file will only exist when the image is installed", m.File)
			continue
		}
		var d *Diagnostic
		switch {
		case errors.Is(m.err, fs.ErrNotExist):
			p.fail(m.Place, "%%include %q: no such file%s", m.File, meantFile(m.Place.File, m.File))
		case errors.As(m.err, &d):
			p.fail(d.withFrom(&m.Place), "%s", d.Message)
		default:
			p.fail(m.Place, "%%include %q: %v", m.File, m.err)
		}
	}
}

// withFrom is where the fault is, with the %include line that led there.
func (d *Diagnostic) withFrom(from *Place) Place {
	at := d.At
	at.From = from
	return at
}

// madeByScript reports whether a %pre script mentions the file.
func (p *parser) madeByScript(name string) bool {
	for _, s := range p.kickstart.Scripts {
		if s.Kind == Pre && strings.Contains(s.Body, name) {
			return true
		}
	}
	return false
}

// meantFile proposes a file of the folder that a missing one should be in.
func meantFile(in, name string) string {
	folder := filepath.Dir(name)
	if !filepath.IsAbs(name) {
		folder = filepath.Join(filepath.Dir(in), folder)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return meant(filepath.Base(name), names)
}
