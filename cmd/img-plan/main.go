package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/plan"
	"github.com/respin-project/respin/internal/spec"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

func run(ctx context.Context, env *cli.Env) (err error) {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	planner, err := o.planner()
	if err != nil {
		return err
	}
	if args, err = specs(args); err != nil {
		return err
	}
	if planner.Fetcher, err = fetch.Open(env.Report, o.offline, "respin/"+cli.Version()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, planner.Fetcher.Cache.Close()) }()
	planner.Report = env.Report
	var errs []error
	var targets []spec.Target
	for _, arg := range args {
		chosen, err := o.choice().Choose(arg)
		targets, errs = append(targets, chosen...), append(errs, err)
	}
	due, err := o.planAll(ctx, env, planner, targets)
	if len(due) > 0 {
		env.Report.Summary(plan.Summary(due))
	}
	if err = errors.Join(append(errs, err)...); err == nil && len(due) == 0 {
		env.Report.Printf("nothing is due")
		return cli.Say(errors.New("")) // it is no error
	}
	return err
}

// planAll plans images and writes the manifests, or the matrix, of those that are due.
func (o *options) planAll(ctx context.Context, env *cli.Env, planner *plan.Planner, targets []spec.Target) (due []*manifest.Manifest, err error) {
	var errs []error
	jobs := plan.Matrix{Include: []plan.Job{}}
	for _, t := range targets {
		if err := ctx.Err(); err != nil {
			return due, err
		}
		m, err := planner.Plan(ctx, t)
		if err == nil && m != nil {
			due = append(due, m)
			err = o.write(env, &jobs, m)
		}
		errs = append(errs, err)
	}
	if o.matrix {
		errs = append(errs, env.Lines().Encode(jobs))
	}
	if err := errors.Join(errs...); err == nil {
		errs = append(errs, planner.Check())
	}
	return due, errors.Join(errs...)
}

// write writes the manifest of what is due to wherever it is wanted.
func (o *options) write(env *cli.Env, jobs *plan.Matrix, m *manifest.Manifest) error {
	if o.manifests != "" {
		if err := plan.Save(o.manifests, m); err != nil {
			return err
		}
	}
	if o.matrix {
		return jobs.Add(m)
	}
	return m.Write(env.Stdout)
}

type options struct {
	since, reasons, due, manifests string
	severity                       string
	security, update, matrix       bool
	repos, vars                    cli.Strings
	releases, arches, imageRelease string
	offline                        bool
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.since, "since", "", "")
	fs.StringVar(&o.reasons, "reason", "", "")
	fs.BoolVar(&o.security, "security", false, "")
	fs.StringVar(&o.severity, "severity", "", "")
	fs.StringVar(&o.due, "due", "", "")
	fs.BoolVar(&o.update, "update", false, "")
	fs.BoolVar(&o.matrix, "matrix", false, "")
	fs.StringVar(&o.manifests, "manifests", "", "")
	fs.Var(&o.repos, "repo", "")
	fs.StringVar(&o.releases, "release", "", "")
	fs.StringVar(&o.arches, "arch", "", "")
	fs.StringVar(&o.imageRelease, "image-release", "", "")
	fs.Var(&o.vars, "var", "")
	fs.BoolVar(&o.offline, "offline", false, "")
}
