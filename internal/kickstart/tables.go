package kickstart

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"
)

// tablesText defines the syntax of every release; its head explains the notation.
//
//go:embed tables.txt
var tablesText string

// A table is the syntax of one release.
type table struct {
	commands map[string]*command // by every spelling of their names
}

type state int

const (
	current     state = iota
	discouraged       // still has its effect, with a warning
	deprecated        // accepted, without any effect
	removed
)

// A command is what one release knows of a command or of a section's header.
type command struct {
	name      string
	state     state
	words     bool // everything is an argument
	arguments []argument
	options   map[string]*spelling
	names     []string // of the options, in the table's order
	rules     []rule
	conflicts []string // commands that cannot stand beside it
}

type argument struct {
	name     string // as in the table, such as "<mountpoint>"
	optional bool
	repeated bool
}

type valueKind int

const (
	bare valueKind = iota // no value
	text
	integer
	boolean
	list
	choice
	optional // text that may be left out
)

var valueKinds = map[string]valueKind{"TEXT": text, "INT": integer, "BOOL": boolean, "LIST": list, "[TEXT]": optional}

type option struct {
	name     string
	kind     valueKind
	choices  map[string]string // from each spelling to the value it stands for
	values   []string          // of the choices, in the table's order
	anyCase  bool
	required bool
	repeated bool
	reset    bool
	setting  string  // options with the same setting replace each other; empty for most
	short    *Option // what it stands for, if it is an abbreviation
}

// A spelling of an option.
type spelling struct {
	option      *option
	discouraged bool
}

// A rule says how the options of a command go together.
type rule struct {
	verb    string // "needs", "excludes", "unique", "one of", "at most one of", "at least one of"
	subject string // of needs and excludes
	objects []string
}

var tables struct {
	sync.Mutex
	byRelease map[Syntax]*table
}

// table builds the syntax's table when it is first needed.
func (s Syntax) table() *table {
	tables.Lock()
	defer tables.Unlock()
	if t := tables.byRelease[s]; t != nil {
		return t
	}
	if tables.byRelease == nil {
		tables.byRelease = map[Syntax]*table{}
	}
	t := buildTable(s)
	tables.byRelease[s] = t
	return t
}

// buildTable reads the block of the release on top of the one it is based on.
// The tables are part of the program, so an error in them is a panic, and a
// test builds them all.
func buildTable(s Syntax) *table {
	block, base := releaseBlock(s)
	t := &table{map[string]*command{}}
	if base != "" {
		t.commands = maps.Clone(buildTable(base).commands)
	}
	var at []*command // what indented lines are about
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if line[0] == ' ' {
			for _, c := range at {
				c.extend(fields)
			}
			continue
		}
		at = t.statement(fields)
	}
	return t
}

// releaseBlock returns the lines of a release and the release it is based on.
func releaseBlock(s Syntax) (block string, base Syntax) {
	_, block, ok := strings.Cut(tablesText, "\nrelease "+string(s))
	if !ok {
		panic("no table for " + s)
	}
	head, block, _ := strings.Cut(block, "\n")
	if end := strings.Index("\n"+block, "\nrelease "); end >= 0 {
		block = block[:end]
	}
	if fields := strings.Fields(head); len(fields) == 2 {
		base = Syntax(fields[1])
	}
	return block, base
}

// statement carries out a line that is not indented and returns the commands
// that the indented lines behind it change.
func (t *table) statement(fields []string) []*command {
	switch fields[0] {
	case "command":
		return t.define(fields[1:])
	case "change":
		return []*command{t.own(fields[1])}
	}
	states := map[string]state{"discouraged": discouraged, "deprecated": deprecated, "removed": removed}
	s, ok := states[fields[0]]
	if !ok {
		panic("unknown statement " + fields[0])
	}
	for _, name := range fields[1:] {
		if t.commands[name] == nil {
			t.commands[name] = &command{name: name}
		}
		t.own(name).state = s
	}
	return nil
}

// define adds commands: "NAME|SPELLING ARGUMENT..." or "NAME, NAME".
func (t *table) define(fields []string) []*command {
	var defined []*command
	for more := true; more; {
		var spellings string
		spellings, more = strings.CutSuffix(fields[0], ",")
		names := strings.Split(spellings, "|")
		c := &command{name: names[0], options: map[string]*spelling{}}
		for _, name := range names {
			t.commands[name] = c
		}
		defined = append(defined, c)
		fields = fields[1:]
	}
	for _, c := range defined {
		for _, f := range fields {
			c.words = c.words || f == "words"
			if i := strings.IndexByte(f, '<'); i >= 0 {
				c.arguments = append(c.arguments, argument{f[i : strings.IndexByte(f, '>')+1], f[0] == '[', strings.HasSuffix(f, "...")})
			}
		}
	}
	return defined
}

// own replaces a command by a copy that this release may change.
func (t *table) own(name string) *command {
	old := t.commands[name]
	c := *old
	c.options = map[string]*spelling{}
	for name, s := range old.options {
		own := *s
		c.options[name] = &own
	}
	c.names, c.rules, c.conflicts = slices.Clone(c.names), slices.Clone(c.rules), slices.Clone(c.conflicts)
	for name, other := range t.commands {
		if other == old {
			t.commands[name] = &c
		}
	}
	return &c
}

// spellings returns every option's name that may be written, in order.
func (c *command) spellings() []string { return slices.Sorted(maps.Keys(c.options)) }

// merge returns what two commands come to when b replaces what a said.
func (c *command) merge(a, b *Command) *Command {
	merged := *b
	if len(b.Args) == 0 {
		merged.Args = a.Args
	}
	var kept []Option
	for _, o := range a.Options {
		s := c.options[o.Name]
		stays := s.option.kind != bare || s.option.setting != ""
		if stays && !s.option.reset && !c.replaced(s.option, b) {
			kept = append(kept, o)
		}
	}
	merged.Options = append(kept, b.Options...)
	return &merged
}

// replaced reports whether the command says anew what option o says.
func (c *command) replaced(o *option, by *Command) bool {
	for _, given := range by.Options {
		if given.Name == o.name {
			return true
		}
		if s := c.options[given.Name]; s != nil && o.setting != "" && s.option.setting == o.setting {
			return true
		}
	}
	for _, r := range c.rules {
		if r.verb != "one of" && r.verb != "at most one of" || !slices.Contains(r.objects, o.name) {
			continue
		}
		for _, other := range r.objects {
			if by.Has(other) {
				return true
			}
		}
	}
	return false
}
