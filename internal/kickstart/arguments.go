package kickstart

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/near"
)

// A reading is one command or section header while its words are read
// against the table.
type reading struct {
	*findings
	syntax  *command
	command *Command
	words   []word
	place   func(offset int) Place // of a byte of the line
	failed  bool
	surplus bool // an argument too many was reported
	ordered bool // options end where the arguments begin
}

func (r *reading) fail(at Place, format string, args ...any) {
	r.failed = true
	r.findings.fail(at, format, args...)
}

// read sorts the words behind the command's name into options and arguments,
// as Python's argparse does, which pykickstart uses, with one difference: an
// option has to be written out. It reports whether all was well.
func (r *reading) read() bool {
	if r.syntax.words {
		for _, w := range r.words {
			r.command.Args = append(r.command.Args, w.text)
		}
		return true
	}
	for i := 0; i < len(r.words); i++ {
		switch w := r.words[i]; {
		case w.text == "--":
			r.arguments(r.words[i+1:])
			i = len(r.words)
		case r.ordered && !r.isOption(w.text):
			r.arguments(r.words[i:])
			i = len(r.words)
		case r.isOption(w.text):
			i += r.option(w, r.words[i+1:])
		default:
			r.argument(w)
		}
	}
	r.complete()
	return !r.failed
}

var negative = regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`)

// isOption tells options from arguments and values: a negative number is
// none, and neither is a word with a space in it, unless it is a known
// option with its value.
func (r *reading) isOption(s string) bool {
	if len(s) < 2 || s[0] != '-' || negative.MatchString(s) {
		return false
	}
	name, _, _ := strings.Cut(s, "=")
	return r.syntax.options[name] != nil || !strings.Contains(s, " ")
}

// option reads the option that word w is and returns how many of the words
// that follow it took.
func (r *reading) option(w word, rest []word) int {
	at := r.place(w.offset)
	name, value, valued := strings.Cut(w.text, "=")
	s := r.syntax.options[name]
	if s == nil {
		spellings := r.syntax.spellings()
		r.fail(at, "unknown option %s%s", name, meant(name, spellings))
		near, ok := near.Name(name, spellings)
		if !ok {
			return 0
		}
		s = r.syntax.options[near] // read on as if it had been spelt right
	}
	o := s.option
	switch {
	case s.discouraged && o.short == nil && name != o.name:
		r.warn(at, "option %s of %s is deprecated: write %s", name, r.syntax.name, o.name)
	case s.discouraged:
		r.warn(at, "option %s of %s is deprecated", name, r.syntax.name)
	}
	taken := 0
	next := len(rest) > 0 && !r.isOption(rest[0].text) && rest[0].text != "--"
	switch {
	case o.kind == bare && valued:
		r.fail(at, "option %s takes no value", name)
	case o.kind == bare || valued:
	case next:
		value, taken = rest[0].text, 1
	case o.kind != optional:
		r.fail(at, "option %s needs a value", name)
		r.set(o, "", at)
		return 0
	}
	if o.short != nil {
		o, value = r.syntax.options[o.short.Name].option, o.short.Value
	}
	r.set(o, r.check(o, name, value, at), at)
	return taken
}

// check holds a value against its option's kind and returns it as the model spells it.
func (r *reading) check(o *option, name, value string, at Place) string {
	switch o.kind {
	case bare:
		return ""
	case integer:
		if n, ok := parseInt(value); ok {
			return strconv.Itoa(n)
		}
		r.fail(at, "option %s needs a whole number, not %q", name, value)
	case boolean:
		if _, ok := parseBool(value); !ok {
			r.fail(at, "option %s needs yes or no, not %q", name, value)
		}
	case choice:
		key := value
		if o.anyCase {
			key = strings.ToLower(value)
		}
		if canonical, ok := o.choices[key]; ok {
			return canonical
		}
		r.fail(at, "option %s cannot be %q, only %s%s", name, value, strings.Join(o.values, ", "), meant(value, o.values))
	}
	return value
}

// set records an option, in place of what said the same before.
func (r *reading) set(o *option, value string, at Place) {
	c := r.command
	if !o.repeated {
		c.Options = slices.DeleteFunc(c.Options, func(given Option) bool {
			other := r.syntax.options[given.Name].option
			return given.Name == o.name || o.setting != "" && other.setting == o.setting
		})
	}
	c.Options = append(c.Options, Option{o.name, value, at, o.kind == bare || o.kind == optional && value == ""})
}

func (r *reading) arguments(words []word) {
	for _, w := range words {
		r.argument(w)
	}
}

// argument records a word that is no option.
func (r *reading) argument(w word) {
	n := len(r.command.Args)
	known := r.syntax.arguments
	if n >= len(known) && (len(known) == 0 || !known[len(known)-1].repeated) {
		if !r.surplus {
			r.fail(r.place(w.offset), "unexpected argument%s of %s", r.show(w.text), r.syntax.name)
		}
		r.surplus = true
		return
	}
	text := w.text
	if known[min(n, len(known)-1)].name == "<mountpoint>" {
		text = cleanMountPoint(text)
	}
	r.command.Args = append(r.command.Args, text)
}

// show quotes an argument in a message, but not where it may be a password
// that lacks its option or its quotes.
func (r *reading) show(text string) string {
	names := slices.Clone(r.syntax.names)
	for _, a := range r.syntax.arguments {
		names = append(names, a.name)
	}
	for _, name := range names {
		if strings.Contains(name, "pass") || strings.Contains(name, "key") || strings.Contains(name, "proxy") {
			return ""
		}
	}
	return " " + strconv.Quote(text)
}

// complete reports what is missing and which options do not go together.
func (r *reading) complete() {
	for i, a := range r.syntax.arguments {
		if !a.optional && !a.repeated && i >= len(r.command.Args) {
			r.fail(r.command.Place, "%s needs a %s", r.syntax.name, strings.Trim(a.name, "<>"))
		}
	}
	for _, name := range r.syntax.names {
		if r.syntax.options[name].option.required && !r.command.Has(name) {
			r.fail(r.command.Place, "%s needs option %s", r.syntax.name, name)
		}
	}
	for _, rule := range r.syntax.rules {
		r.hold(rule)
	}
}

// hold checks one rule of the table.
func (r *reading) hold(rule rule) {
	var given []string
	for _, name := range rule.objects {
		if r.given(name) {
			given = append(given, name)
		}
	}
	all := strings.Join(rule.objects, ", ")
	switch rule.verb {
	case "needs":
		for _, name := range rule.objects {
			if r.given(rule.subject) && !r.given(name) {
				r.fail(r.at(rule.subject), "option %s needs %s as well", rule.subject, name)
			}
		}
	case "excludes":
		for _, name := range given {
			if r.given(rule.subject) {
				r.fail(r.at(name), "options %s and %s do not go together", rule.subject, name)
			}
		}
	case "one of", "at least one of":
		if len(given) == 0 {
			r.fail(r.command.Place, "%s needs one of the options %s", r.syntax.name, all)
		}
	}
	if len(given) > 1 && (rule.verb == "one of" || rule.verb == "at most one of") {
		r.fail(r.at(given[1]), "%s can have one of the options %s only", r.syntax.name, strings.Join(given, ", "))
	}
}

func (r *reading) given(name string) bool {
	s := r.syntax.options[name]
	return s != nil && r.command.given(name, s.option.kind)
}

// at is where an option stands.
func (r *reading) at(name string) Place {
	if o := r.command.option(name); o != nil {
		return o.Place
	}
	return r.command.Place
}

var wholeNumber = regexp.MustCompile(`^[+-]?\d+(_\d+)*$`)

// parseInt reads a number as Python's int does: with a sign, white space
// around it, and _ between digits.
func parseInt(s string) (int, bool) {
	s = strings.TrimSpace(s)
	if !wholeNumber.MatchString(s) {
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	return n, err == nil
}

func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "on", "yes", "true", "1":
		return true, true
	case "off", "no", "false", "0":
		return false, true
	}
	return false, false
}
