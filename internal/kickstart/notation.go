package kickstart

import (
	"fmt"
	"slices"
	"strings"
)

// extend carries out an indented line: options, or one rule.
func (c *command) extend(fields []string) {
	switch {
	case fields[0] == "conflicts":
		c.conflicts = append(c.conflicts, fields[1:]...)
	case fields[0] == "discouraged":
		for _, name := range fields[1:] {
			c.options[name].discouraged = true
		}
	case fields[0] == "removed":
		for _, name := range fields[1:] {
			c.remove(name)
		}
	case fields[0] == "drop":
		dropped := parseRule(fields[1:])
		c.rules = slices.DeleteFunc(c.rules, func(r rule) bool { return r.String() == dropped.String() })
	case isRule(fields):
		c.rules = append(c.rules, parseRule(fields))
	default:
		for _, f := range fields {
			c.add(f)
		}
	}
}

func (c *command) remove(name string) {
	delete(c.options, name)
	c.names = slices.DeleteFunc(c.names, func(n string) bool { return n == name })
	c.rules = slices.DeleteFunc(c.rules, func(r rule) bool { return r.subject == name || slices.Contains(r.objects, name) })
}

func isRule(fields []string) bool {
	return !strings.HasPrefix(fields[0], "--") || len(fields) > 2 && (fields[1] == "needs" || fields[1] == "excludes")
}

func parseRule(fields []string) rule {
	if strings.HasPrefix(fields[0], "--") {
		return rule{fields[1], fields[0], fields[2:]}
	}
	for _, verb := range []string{"unique", "one of", "at most one of", "at least one of"} {
		if n := len(strings.Fields(verb)); len(fields) > n && strings.Join(fields[:n], " ") == verb {
			return rule{verb: verb, objects: fields[n:]}
		}
	}
	panic("unknown rule " + strings.Join(fields, " "))
}

func (r rule) String() string { return fmt.Sprint(r.subject, r.verb, r.objects) }

// add reads the notation of one option, or of several for one setting.
func (c *command) add(notation string) {
	alternatives := strings.Split(notation, "/")
	for _, a := range alternatives {
		o, spellings := parseOption(a)
		if len(alternatives) > 1 {
			o.setting = notation
		}
		for _, s := range spellings {
			c.options[s] = &spelling{option: o}
		}
		if o.short == nil {
			c.names = append(c.names, o.name)
		}
	}
}

func parseOption(notation string) (o *option, spellings []string) {
	if name, short, ok := strings.Cut(notation, ">"); ok {
		to, value, _ := strings.Cut(short, "=")
		return &option{name: name, short: &Option{Name: to, Value: value}}, []string{name}
	}
	trimmed := strings.TrimRight(notation, "!+~")
	marks := notation[len(trimmed):]
	names, value, valued := strings.Cut(trimmed, "=")
	spellings = strings.Split(names, "|")
	o = &option{
		name:     spellings[0],
		required: strings.Contains(marks, "!"),
		repeated: strings.Contains(marks, "+"),
		reset:    strings.Contains(marks, "~"),
	}
	if !valued {
		return o, spellings
	}
	if kind, ok := valueKinds[value]; ok {
		o.kind = kind
		return o, spellings
	}
	o.kind, o.choices = choice, map[string]string{}
	value, o.anyCase = strings.CutPrefix(value, "i")
	for c := range strings.SplitSeq(strings.Trim(value, "{}"), "|") {
		alike := strings.Split(c, ",")
		o.values = append(o.values, alike[0])
		for _, s := range alike {
			o.choices[s] = alike[0]
		}
	}
	return o, spellings
}
