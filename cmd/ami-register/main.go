package main

import (
	"context"
	_ "embed"
	"errors"
	"os"

	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/ami"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
	"github.com/respin-project/respin/internal/summary"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	if err := o.check(args); err != nil {
		return err
	}
	a, err := account.Open(ctx, os.Getenv, o.workers)
	if err != nil {
		return err
	}
	table := &summary.Table{Title: "Machine images", Columns: []string{"image", "region", "AMI", "state", "time"}, Address: "console"}
	defer table.Show(env.Report)
	job := &ami.Job{
		Account: a, Flags: o.apply, Workers: o.workers, DryRun: o.dryRun, Untested: o.untested, Report: env.Report,
		Done: func(r ami.Registration, m manifest.Image) {
			state := "was there"
			if r.New {
				state = "new"
			}
			table.Add(ami.Console(r), m.ID(), r.Region, r.ID, state, report.Seconds(r.Took))
		},
	}
	switch {
	case o.retire != "":
		return o.retireAll(ctx, env, job, args)
	case len(args) > 0:
		return o.file(ctx, env, job, args[0])
	}
	in := manifest.NewReader(env.Stdin, "standard input")
	return manifest.Each(ctx, in, env.Stdout, job.Manifest)
}

// file registers the disk in a plain file, and prints a line for each region.
func (o *options) file(ctx context.Context, env *cli.Env, job *ami.Job, path string) error {
	if !o.untested {
		return hint.Wrap(errors.New("nothing says that the disk in a plain file was tested"), "--allow-untested publishes it all the same; a manifest from img-smoke says it")
	}
	arch := o.arch
	if arch == "" {
		arch = manifest.HostArch()
	}
	image := manifest.Image{Name: source.DiskName(path), Version: "0", Release: "0", Arch: arch}
	out := env.Lines()
	return job.File(ctx, path, image, func(p manifest.Publication) error { return out.Encode(p) })
}

// retireAll retires images of the families named.
func (o *options) retireAll(ctx context.Context, env *cli.Env, job *ami.Job, families []string) error {
	r, err := o.retirement()
	if err != nil {
		return err
	}
	total := 0
	var errs []error
	for _, family := range families {
		n, err := job.Retire(ctx, family, r)
		total += n
		errs = append(errs, err)
	}
	if total > 0 && !r.Apply {
		env.Report.Printf("nothing was changed: --apply does it")
	}
	return errors.Join(errs...)
}
