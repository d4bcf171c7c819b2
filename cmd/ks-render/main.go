package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/spec"
	"github.com/respin-project/respin/internal/summary"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type command struct {
	env              *cli.Env
	choice           spec.Choice
	set              spec.Settings
	releases, arches string
	syntax, format   string
	vars             cli.Strings
	check            bool
	warned           map[string]bool // what was said already, for another release or architecture
}

func (c *command) define(fs *flag.FlagSet) {
	fs.StringVar(&c.releases, "release", "", "")
	fs.StringVar(&c.arches, "arch", "", "")
	fs.StringVar(&c.syntax, "syntax", "", "")
	fs.StringVar(&c.choice.Name, "name", "", "")
	fs.StringVar(&c.set.ImageRelease, "image-release", "", "")
	fs.Var(&c.vars, "var", "")
	fs.BoolVar(&c.check, "check", false, "")
	fs.StringVar(&c.format, "format", "manifest", "")
}

func run(ctx context.Context, env *cli.Env) error {
	c := &command{env: env, warned: map[string]bool{}}
	c.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	if err := c.settings(); err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"-"}
	}
	var errs []error
	var targets []spec.Target
	for _, arg := range args {
		chosen, err := c.choice.Choose(arg)
		targets, errs = append(targets, chosen...), append(errs, err)
	}
	if c.format == "ks" && len(targets) > 1 && !c.check {
		return hint.Wrap(cli.Usagef("--format ks prints one kickstart, but %d images are asked for", len(targets)), "choose one with --release and --arch")
	}
	table := summary.Table{Title: "Rendered", Columns: []string{"image", "file", "result"}}
	for _, t := range targets {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.render(ctx, t)
		result := "rendered"
		if err != nil {
			result = "not rendered"
		}
		table.Add("", t.ID(), t.Kickstart, result)
		errs = append(errs, err)
	}
	table.Summarize(c.env.Report)
	return errors.Join(errs...)
}

// settings checks the flags.
func (c *command) settings() (err error) {
	if c.format != "manifest" && c.format != "ks" {
		return cli.Usagef("--format cannot be %q, only manifest and ks", c.format)
	}
	if c.syntax != "" {
		if c.set.Syntax, err = kickstart.ParseSyntax(c.syntax); err != nil {
			return cli.Usagef("--syntax: %w", err)
		}
	}
	c.choice.Versions, c.choice.Arches = cli.SplitList(c.releases), cli.SplitList(c.arches)
	c.set.Stdin = c.env.Stdin
	c.set.Vars, err = cli.Pairs("var", "NAME=VALUE", c.vars)
	return err
}

// render writes one image's manifest or kickstart.
func (c *command) render(ctx context.Context, t spec.Target) error {
	k, err := t.Render(ctx, c.set)
	if k != nil {
		for _, w := range k.Warnings {
			if !c.warned[w.Error()] {
				c.warned[w.Error()] = true
				c.env.Report.Warn(w.Place(), "%v", w)
			}
		}
	}
	switch {
	case err != nil || c.check:
		return err
	case c.format == "ks":
		text, _ := k.Flatten()
		_, err := io.WriteString(c.env.Stdout, text)
		return err
	case t.Release.Version == "":
		return hint.Wrap(fmt.Errorf("%s: which release is it for? It has no #version=", t.Kickstart), "name it, as in --release 43")
	}
	return t.Manifest(k, c.set).Write(c.env.Stdout)
}
