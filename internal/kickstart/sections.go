package kickstart

import (
	"slices"
	"strings"
)

// section reads a section from its header to its %end.
func (p *parser) section(words []word, place func(int) Place) {
	name := words[0].text
	at := place(words[0].offset)
	syntax := p.table.commands[name]
	if syntax == nil {
		if name == "%end" {
			p.fail(at, "%%end without a section")
			return
		}
		p.fail(at, "unknown section %s%s", name, meant(name, p.sectionNames()))
		if end, tag := p.end(); tag == "%end" { // else it is a line that should have been something else
			p.next = end + 1
		}
		return
	}
	header := &Command{Name: name, Place: at, words: syntax.words}
	r := &reading{findings: &p.findings, syntax: syntax, command: header, words: words[1:], place: place}
	r.read()
	body, ended := p.body(name, at)
	if !ended {
		return
	}
	switch name {
	case "%packages":
		p.packages(header, body)
	case "%addon", "%anaconda":
		p.kickstart.Addons = append(p.kickstart.Addons, &Addon{name, header.Args, join(body), at})
	case "%certificate":
		p.certificate(r, join(body))
	default:
		p.script(header, join(body))
	}
}

// body returns the lines of a section and steps behind its %end, if it has one.
func (p *parser) body(name string, at Place) (body []line, ended bool) {
	first := p.next
	end, tag := p.end()
	p.next = end
	switch tag {
	case "%end":
		p.next++
		return p.lines[first:end], true
	case "":
		p.fail(at, "section %s is not ended: %%end is missing", name)
	default:
		p.fail(p.lines[end].place, "section %s begins before %s from %s is ended: %%end is missing", tag, name, at)
	}
	return nil, false
}

// end finds the line where the section ends that is being read: at its %end,
// before the section called tag, or with the text, where tag is empty.
func (p *parser) end() (n int, tag string) {
	if p.next <= p.ending.n && p.ending.n > 0 {
		return p.ending.n, p.ending.tag // found before, and still ahead
	}
	p.ending.n, p.ending.tag = len(p.lines), ""
	for n := p.next; n < len(p.lines); n++ {
		t := strings.TrimLeft(p.lines[n].text, " \t\r\f\v")
		if !strings.HasPrefix(t, "%") {
			continue
		}
		if tag := strings.Fields(t)[0]; tag == "%end" || p.table.commands[tag] != nil {
			p.ending.n, p.ending.tag = n, tag
			break
		}
	}
	return p.ending.n, p.ending.tag
}

// sectionNames are what may be meant by a misspelt tag.
func (p *parser) sectionNames() []string {
	names := []string{"%end", "%include", "%ksappend"}
	for name := range p.table.commands {
		if name[0] == '%' {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (p *parser) packages(header *Command, body []line) {
	if p.selection == nil {
		p.selection = &selection{&Packages{Place: header.Place, Lines: map[string]Place{}}, map[string]bool{}, map[string]bool{}}
	}
	p.selection.header(header)
	for i, l := range body {
		p.line = p.next - 1 - len(body) + i
		t := strings.TrimSpace(l.text)
		if strings.HasPrefix(t, "%include") || strings.HasPrefix(t, "%ksappend") {
			continue
		}
		at := l.place
		at.Column = column(l.text, strings.Index(l.text, t))
		p.selection.add(&p.findings, t, at)
	}
}

func (p *parser) script(header *Command, body string) {
	if strings.TrimSpace(body) == "" {
		return
	}
	s := &Script{
		Kind:        Kind(strings.TrimPrefix(header.Name, "%")),
		Interpreter: "/bin/sh",
		NoChroot:    header.Has("--nochroot"),
		ErrorOnFail: header.Has("--erroronfail"),
		Log:         header.Value("--log"),
		Body:        body,
		Place:       header.Place,
	}
	if header.Has("--interpreter") {
		s.Interpreter = header.Value("--interpreter")
	}
	p.kickstart.Scripts = append(p.kickstart.Scripts, s)
}

func (p *parser) certificate(r *reading, body string) {
	c := &Certificate{
		FileName: r.command.Value("--filename"),
		Dir:      r.command.Value("--dir"),
		Type:     r.command.Value("--type"),
		Body:     body,
		Place:    r.command.Place,
	}
	if !r.failed && (c.FileName == "" || strings.Contains(c.FileName, "/")) {
		r.fail(r.at("--filename"), "option --filename needs a name without a folder, not %q", c.FileName)
	}
	p.kickstart.Certificates = append(p.kickstart.Certificates, c)
}

func join(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
	}
	return b.String()
}
