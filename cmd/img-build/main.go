package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/respin-project/respin/internal/build"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/summary"
)

//go:embed doc.go
var doc string

func main() {
	sandbox.Init()
	cli.Main(doc, run)
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	files, err := env.Parse()
	if err != nil {
		return err
	}
	engine, err := o.engine(env)
	if err != nil {
		return err
	}
	ctx, inside, err := sandbox.Enter(ctx)
	if !inside {
		return err
	}
	if engine.Fetcher, err = fetch.Open(env.Report, o.offline, "respin/"+cli.Version()); err != nil {
		return err
	}
	return errors.Join(buildAll(ctx, env, engine, files), engine.Fetcher.Cache.Close())
}

// buildAll builds the images of the files, or of standard input if there are none.
func buildAll(ctx context.Context, env *cli.Env, engine *build.Engine, files []string) error {
	table := summary.Table{Title: "Built", Columns: []string{"image", "packages", "installed", "disk", "lock", "time"}}
	defer table.Summarize(env.Report)
	one := func(ctx context.Context, m *manifest.Manifest) error {
		start := time.Now()
		if err := engine.Build(ctx, m); err != nil {
			return err
		}
		var installed int64
		for _, p := range m.Build.Packages {
			installed += p.Installed
		}
		table.Add("", m.Image.ID(), fmt.Sprint(len(m.Build.Packages)), report.Size(installed), report.Size(m.Artifact("raw").Size), m.Build.Lock, report.Seconds(time.Since(start)))
		return nil
	}
	if len(files) == 0 {
		return manifest.Each(ctx, manifest.NewReader(env.Stdin, "standard input"), env.Stdout, one)
	}
	var errs []error
	for _, file := range files {
		m, err := manifest.Open(file)
		if err == nil {
			if err = one(ctx, m); err == nil {
				err = m.Write(env.Stdout)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
