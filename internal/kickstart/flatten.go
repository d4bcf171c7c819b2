package kickstart

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"github.com/respin-project/respin/internal/manifest"
)

// Flatten returns the text of the kickstart in its original order, with the
// included files in the place of their %include lines and the syntax in the
// first line, and where the lines of the text come from.
func (k *Kickstart) Flatten() (text string, origins []manifest.Origin) {
	var b strings.Builder
	fmt.Fprintf(&b, "#version=%s\n", k.Syntax)
	n := 1
	var last Place
	for _, l := range k.lines {
		if l.version {
			continue
		}
		b.WriteString(l.text)
		n++
		if l.place.File != last.File || l.place.Line != last.Line+1 {
			origins = append(origins, manifest.Origin{Line: n, File: l.place.File, FileLine: l.place.Line})
		}
		last = l.place
	}
	return b.String(), origins
}

// Manifest returns the kickstart as the manifest holds it.
func (k *Kickstart) Manifest() *manifest.Kickstart {
	text, origins := k.Flatten()
	m := &manifest.Kickstart{
		Path: k.Path, Syntax: string(k.Syntax), Text: text, Origins: origins,
		Digest: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))),
	}
	for _, s := range k.Sources {
		m.Sources = append(m.Sources, manifest.Source(s))
	}
	return m
}

// maxRestored bounds the text of a manifest, in bytes: a little more than what
// is written, for resolving variables may have made that longer.
const maxRestored = maxText + 1<<20

// Restore reads the text of a manifest again. Places are those of the files
// that the text came from. Nothing is fetched: an %include line in the text is
// one that could not be resolved.
func Restore(m *manifest.Kickstart) (*Kickstart, error) {
	syntax, err := ParseSyntax(m.Syntax)
	if err != nil {
		return nil, err
	}
	if len(m.Text) > maxRestored {
		return nil, fmt.Errorf("the kickstart is longer than %d MiB", maxRestored>>20)
	}
	k := &Kickstart{Path: m.Path, Syntax: syntax}
	for _, s := range m.Sources {
		k.Sources = append(k.Sources, Source(s))
	}
	var lines []line
	var missing []*missingInclude
	origins := m.Origins
	at := Place{File: m.Path}
	for text := range strings.Lines(m.Text) {
		for len(origins) > 0 && origins[0].Line <= len(lines)+1 {
			at = Place{File: origins[0].File, Line: origins[0].FileLine - 1}
			origins = origins[1:]
		}
		at.Line++
		if name, is := includeName(text); is {
			missing = append(missing, &missingInclude{Include: Include{name, at}, keep: true})
		}
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		lines = append(lines, line{text: text, place: at})
	}
	return parse(k, lines, findings{}, missing)
}

var variable = regexp.MustCompile(`\$(releasever|basearch)\b|\$\{(releasever|basearch)\}`)

// Resolve puts the release and the architecture in the place of $releasever
// and $basearch in the commands url and repo, in the model and in the text.
// Scripts and everything else stay as they are.
func (k *Kickstart) Resolve(release, arch string) {
	base := arch
	switch arch {
	case "i386", "i486", "i586", "i686":
		base = "i386"
	case "armv7l", "armv7hl":
		base = "armhfp"
	}
	replace := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(name string) string {
			if strings.Contains(name, "releasever") {
				return release
			}
			return base
		})
	}
	for _, c := range k.Commands {
		if c.Name != "url" && c.Name != "repo" {
			continue
		}
		for i := range c.Options {
			c.Options[i].Value = replace(c.Options[i].Value)
		}
		for i := c.first; i < c.end; i++ {
			k.lines[i].text = replace(k.lines[i].text)
		}
	}
}
