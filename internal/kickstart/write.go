package kickstart

import (
	"fmt"
	"slices"
	"strings"
)

// Canonical returns the kickstart in a form of its own: one line a command
// without comments, then the packages, the certificates, the add-ons and the
// scripts, whose bodies are as they were. It parses back to the same model,
// except that %include lines which could not be followed are left out.
func (k *Kickstart) Canonical() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#version=%s\n", k.Syntax)
	for _, c := range k.Commands {
		b.WriteString(c.String() + "\n")
	}
	if k.Packages != nil {
		k.Packages.write(&b)
	}
	for _, c := range k.Certificates {
		header := Command{Name: "%certificate", Options: []Option{{Name: "--filename", Value: c.FileName}}}
		header.addValue("--dir", c.Dir)
		header.addValue("--type", c.Type)
		section(&b, header, c.Body)
	}
	for _, a := range k.Addons {
		section(&b, Command{Name: a.Section, Args: a.Args, words: true}, a.Body)
	}
	for _, s := range k.Scripts {
		s.write(&b)
	}
	return b.String()
}

// String writes the command as it may stand in a kickstart.
func (c *Command) String() string {
	var args, options []string
	dashed := false // an argument would be taken for an option
	for _, a := range c.Args {
		args = append(args, quote(a))
		dashed = dashed || strings.HasPrefix(a, "-") && !c.words
	}
	for _, o := range c.Options {
		if o.plain {
			options = append(options, o.Name)
		} else {
			options = append(options, quoteOption(o.Name, o.Value))
		}
	}
	if dashed {
		return strings.Join(slices.Concat([]string{c.Name}, options, []string{"--"}, args), " ")
	}
	return strings.Join(slices.Concat([]string{c.Name}, args, options), " ")
}

func (c *Command) addFlag(name string, given bool) {
	if given {
		c.Options = append(c.Options, Option{Name: name, plain: true})
	}
}

func (c *Command) addValue(name, value string) {
	if value != "" {
		c.Options = append(c.Options, Option{Name: name, Value: value})
	}
}

func section(b *strings.Builder, header Command, body string) {
	fmt.Fprintf(b, "\n%s\n%s%%end\n", header.String(), body)
}

func (s *Script) write(b *strings.Builder) {
	header := Command{Name: "%" + string(s.Kind)}
	if s.Interpreter != "/bin/sh" {
		header.Options = append(header.Options, Option{Name: "--interpreter", Value: s.Interpreter})
	}
	header.addFlag("--nochroot", s.NoChroot)
	header.addFlag("--erroronfail", s.ErrorOnFail)
	header.addValue("--log", s.Log)
	section(b, header, s.Body)
}

func (p *Packages) write(b *strings.Builder) {
	header := Command{Name: "%packages"}
	header.addFlag("--default", p.Default)
	header.addFlag("--nocore", p.NoCore)
	header.addFlag("--excludedocs", p.ExcludeDocs)
	header.addFlag("--exclude-weakdeps", p.ExcludeWeakdeps)
	header.addFlag("--ignoremissing", p.IgnoreMissing)
	header.addFlag("--ignorebroken", p.IgnoreBroken)
	header.addFlag("--multilib", p.MultiLib)
	if p.InstLangs != nil {
		header.Options = append(header.Options, Option{Name: "--inst-langs", Value: strings.Join(p.InstLangs, ",")})
	}
	if p.Timeout != 0 {
		header.addValue("--timeout", fmt.Sprint(p.Timeout))
	}
	if p.Retries != 0 {
		header.addValue("--retries", fmt.Sprint(p.Retries))
	}
	var body strings.Builder
	for _, g := range p.ExcludedGroups { // first, for excluding a group also takes it back
		fmt.Fprintf(&body, "-@%s\n", g)
	}
	if p.Environment != "" {
		fmt.Fprintf(&body, "@^%s\n", p.Environment)
	}
	for _, g := range p.Groups {
		fmt.Fprintf(&body, "@%s\n", g)
	}
	for _, name := range p.Names {
		fmt.Fprintln(&body, name)
	}
	for _, name := range p.Excluded {
		fmt.Fprintln(&body, "-"+name)
	}
	section(b, header, body.String())
}

func (g Group) String() string {
	switch {
	case g.NoDefaults:
		return g.Name + " --nodefaults"
	case g.Optional:
		return g.Name + " --optional"
	}
	return g.Name
}
