package kickstart

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Bounds on one command, which may go on over several lines.
const (
	maxStatement      = 256 << 10 // bytes
	maxStatementLines = 500
)

// A line of the flattened text.
type line struct {
	text    string // with its newline
	place   Place
	version bool // a #version= line, which has done its work
}

// A parser reads the flattened lines of one kickstart.
type parser struct {
	findings
	kickstart *Kickstart
	table     *table
	lines     []line
	next      int              // the line to be read next
	seen      map[string]Place // the first command of each name
	unique    map[string]Place // what was defined, by command and identity
	ending    struct {         // the end of a section that was looked up last
		n   int // its line
		tag string
	}
	selection *selection        // nil until the first %packages
	pending   []*missingInclude // unresolved %include lines, to be judged when all scripts are known
}

// parse reads lines into k, which has its path, syntax and sources.
func parse(k *Kickstart, lines []line, found findings, pending []*missingInclude) (*Kickstart, error) {
	p := &parser{
		findings: found, kickstart: k, table: k.Syntax.table(), lines: lines, pending: pending,
		seen: map[string]Place{}, unique: map[string]Place{},
	}
	k.lines = lines
	for p.next < len(p.lines) && len(p.errors) <= maxErrors {
		p.statement()
	}
	if p.selection != nil {
		k.Packages = p.selection.packages()
	}
	p.judgeMissing()
	var err error
	k.Warnings, err = p.sorted()
	return k, err
}

// statement reads a command or a section, or skips a line that is neither.
func (p *parser) statement() {
	first := p.next
	p.line = first
	if t := strings.TrimSpace(p.lines[first].text); t == "" || t[0] == '#' {
		p.lines[first].version = strings.HasPrefix(p.lines[first].text, "#version=")
		p.next++
		return
	}
	words, place, err := p.words()
	if e, ok := errors.AsType[*wordError](err); ok {
		p.fail(place(e.offset), "%v", err)
	}
	if len(words) == 0 {
		return
	}
	name := words[0].text
	switch {
	case err != nil && !strings.HasPrefix(name, "%"):
	case name == "%include" || name == "%ksappend": // what could be resolved is not there any more
	case strings.HasPrefix(name, "%"):
		p.section(words, place)
	default:
		p.command(words, place, first)
	}
}

// words reads a line and those that continue it behind a backslash. place
// tells where a byte of them stands in the files.
func (p *parser) words() (words []word, place func(offset int) Place, err error) {
	first := p.next
	text := ""
	var starts []int // of the lines within text
	place = func(offset int) Place {
		i, _ := slices.BinarySearch(starts, offset+1)
		i = max(i-1, 0)
		at := p.lines[first+i].place
		at.Column = column(p.lines[first+i].text, offset-starts[i])
		return at
	}
	for {
		starts = append(starts, len(text))
		text += strings.TrimRight(p.lines[p.next].text, "\r\n")
		p.next++
		words, err = splitWords(text)
		if !errors.Is(err, errEscape) || p.next == len(p.lines) || len(text) > maxStatement || len(starts) == maxStatementLines {
			return words, place, err
		}
		text = text[:len(text)-1]
	}
}

func (p *parser) command(words []word, place func(int) Place, first int) {
	name := words[0].text
	at := place(words[0].offset)
	syntax := p.table.commands[name]
	if syntax == nil {
		p.fail(at, "unknown command %s%s", name, meant(name, p.commandNames()))
		return
	}
	switch syntax.state {
	case removed:
		p.fail(at, "command %s has been removed from kickstart syntax %s", name, p.kickstart.Syntax)
		return
	case deprecated:
		p.warn(at, "command %s is deprecated and has no effect", name)
		return
	case discouraged:
		p.warn(at, "command %s is deprecated", name)
	}
	c := &Command{Name: syntax.name, Place: at, words: syntax.words, first: first, end: p.next}
	r := &reading{findings: &p.findings, syntax: syntax, command: c, words: words[1:], place: place}
	for _, other := range syntax.conflicts {
		if before, ok := p.seen[other]; ok {
			r.fail(at, "commands %s and %s do not go together: %s stands in %s", syntax.name, other, other, before)
		}
	}
	if _, ok := p.seen[syntax.name]; !ok {
		p.seen[syntax.name] = at
	}
	if r.read() && p.check(r) {
		p.define(r)
		p.kickstart.Commands = append(p.kickstart.Commands, c)
	}
}

// commandNames are the commands that may be meant by a misspelt one.
func (p *parser) commandNames() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p.table.commands)) {
		if p.table.commands[name].state != removed && name[0] != '%' {
			names = append(names, name)
		}
	}
	return names
}

// define warns where a command names a thing that another one defined before.
func (p *parser) define(r *reading) {
	for _, rule := range r.syntax.rules {
		if rule.verb != "unique" {
			continue
		}
		var identity []string
		for _, o := range rule.objects {
			if strings.HasPrefix(o, "<") {
				identity = append(identity, r.command.arg(0))
			} else {
				identity = append(identity, r.command.Value(o))
			}
		}
		id := strings.Join(identity, " ")
		if id == "" || id == "swap" || id == "none" {
			continue
		}
		key := r.syntax.name + "\x00" + strings.Join(identity, "\x00")
		if before, ok := p.unique[key]; ok {
			p.warn(r.command.Place, "%s %q is already defined in %s", r.syntax.name, id, before)
		} else {
			p.unique[key] = r.command.Place
		}
	}
}
