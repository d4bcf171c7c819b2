package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"regexp"
	"strings"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/diff"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/repo"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	repos             cli.Strings
	format            string
	exitCode, offline bool
}

func (o *options) define(fs *flag.FlagSet) {
	fs.Var(&o.repos, "repo", "")
	fs.StringVar(&o.format, "format", "text", "")
	fs.BoolVar(&o.exitCode, "exit-code", false, "")
	fs.BoolVar(&o.offline, "offline", false, "")
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	write := map[string]func(*diff.Report) error{
		"text":     func(r *diff.Report) error { return r.Text(env.Stdout) },
		"markdown": func(r *diff.Report) error { return r.Markdown(env.Stdout) },
		"json":     func(r *diff.Report) error { return env.Lines().Encode(r) },
	}[o.format]
	switch {
	case write == nil:
		return cli.Usagef("--format cannot be %q, only text, json and markdown", o.format)
	case len(args) != 2:
		return cli.Usagef("it compares two images, not %d: img-diff OLD NEW", len(args))
	case args[0] == "-" && args[1] == "-":
		return cli.Usagef("only one of the two can come from standard input")
	}
	old, oldErr := diff.Read(args[0], env.Stdin)
	new, newErr := diff.Read(args[1], env.Stdin)
	if err := errors.Join(oldErr, newErr); err != nil {
		return err
	}
	x, err := o.advisories(ctx, env)
	if err != nil {
		return err
	}
	r := diff.Compare(old, new, x)
	if err := write(r); err != nil {
		return err
	}
	var page strings.Builder
	if err := r.Markdown(&page); err != nil {
		return err
	}
	env.Report.Summary(page.String())
	if o.exitCode && !r.Same {
		return cli.Say(errors.New("")) // what is printed says it
	}
	return nil
}

// named splits NAME=URL; a URL may hold a "=" as well.
var named = regexp.MustCompile(`^([A-Za-z0-9._:+-]+)=(.+)$`)

// advisories reads the advisories of the repositories that the command line names.
func (o *options) advisories(ctx context.Context, env *cli.Env) (x *advisory.Index, err error) {
	if len(o.repos) == 0 {
		return nil, nil
	}
	f, err := fetch.Open(env.Report, o.offline, "respin/"+cli.Version())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Cache.Close()) }()
	var lists [][]repo.Advisory
	for _, arg := range o.repos {
		name, url := fetch.Redact(arg), arg
		if m := named.FindStringSubmatch(arg); m != nil && !strings.Contains(m[1], "://") {
			name, url = m[1], m[2]
		}
		if url == "" {
			return nil, cli.Usagef("--repo needs NAME=URL, a URL or a folder, not %q", arg)
		}
		s, err := repo.Open(ctx, f, repo.Repository{Name: name, BaseURLs: []string{url}})
		if err != nil {
			return nil, err
		}
		list, err := s.Advisories(ctx)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	return advisory.New(lists...), nil
}
