package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/convert"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/raw"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct{ to, output string }

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.to, "to", "", "")
	fs.StringVar(&o.output, "output", "", "")
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	var formats []convert.Format
	if o.to != "" {
		if formats, err = convert.ParseFormats(o.to); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		if o.output != "" {
			return cli.Usagef("--output is for plain files: an image of a manifest is converted in its own folder")
		}
		in := manifest.NewReader(env.Stdin, "standard input")
		return manifest.Each(ctx, in, env.Stdout, func(ctx context.Context, m *manifest.Manifest) error {
			return convert.Manifest(ctx, m, formats, env.Report)
		})
	}
	for _, name := range args {
		if err := convertFile(ctx, env, name, o.output, formats); err != nil {
			return err
		}
	}
	return nil
}

func convertFile(ctx context.Context, env *cli.Env, name, output string, formats []convert.Format) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	src, err := raw.NewReader(f)
	if err != nil {
		return err
	}
	if output == "" {
		output = filepath.Dir(name)
	}
	if formats == nil {
		formats, _ = convert.ParseFormats("qcow2")
	}
	job := convert.Job{Source: src, Formats: formats, Folder: output, Disk: convert.Disk{Name: strings.TrimSuffix(filepath.Base(name), ".raw"), Arch: "x86_64"}, Report: env.Report}
	made, err := job.Run(ctx)
	if err != nil {
		return err
	}
	for _, a := range made {
		if err := json.NewEncoder(env.Stdout).Encode(a); err != nil {
			return err
		}
	}
	return nil
}
