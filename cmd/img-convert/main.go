package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/convert"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
	"github.com/respin-project/respin/internal/summary"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	to, output, arch string
	formats          []convert.Format // of to
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.to, "to", "", "formats, separated by commas")
	fs.StringVar(&o.output, "output", "", "the folder for the new files")
	fs.StringVar(&o.arch, "arch", "", "the disk's architecture")
}

// From where on the garbage collector works harder, in bytes: what is really in
// use never comes near.
const (
	memory             = 192 << 20
	memoryPerProcessor = 96 << 20
)

func run(ctx context.Context, env *cli.Env) error {
	debug.SetMemoryLimit(memory + int64(runtime.GOMAXPROCS(0))*memoryPerProcessor)
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	if o.to != "" {
		if o.formats, err = convert.ParseFormats(o.to); err != nil {
			return cli.Usagef("--to: %w", err)
		}
	}
	switch {
	case len(args) == 0:
		return o.manifests(ctx, env)
	case args[0] == "inspect":
		return inspectFiles(ctx, env, args[1:])
	}
	return o.files(ctx, env, args)
}

// manifests converts the images of a stream.
func (o *options) manifests(ctx context.Context, env *cli.Env) error {
	if o.output != "" || o.arch != "" {
		return cli.Usagef("--output and --arch are for plain files: a manifest says both")
	}
	table := summary.Table{Title: "Converted", Columns: []string{"image", "format", "size", "SHA-256"}}
	defer table.Summarize(env.Report)
	in := manifest.NewReader(env.Stdin, "standard input")
	return manifest.Each(ctx, in, env.Stdout, func(ctx context.Context, m *manifest.Manifest) error {
		if err := convert.Manifest(ctx, m, o.formats, env.Report); err != nil {
			return err
		}
		for _, a := range m.Artifacts {
			if a.VirtualSize > 0 && a.SHA256 != "" {
				table.Add("", m.Image.ID(), a.Format, report.Size(a.Size), a.SHA256)
			}
		}
		return nil
	})
}

// files converts disks in plain files.
func (o *options) files(ctx context.Context, env *cli.Env, names []string) error {
	if o.formats == nil {
		var err error
		if o.formats, err = convert.ParseFormats(convert.Default); err != nil {
			return err
		}
	}
	if o.arch == "" {
		o.arch = manifest.HostArch()
	}
	var errs []error
	made := map[string]string{} // by the names of the disks, with the folder
	for _, name := range names {
		folder := o.output
		if folder == "" {
			folder = filepath.Dir(name)
		}
		target := filepath.Join(folder, source.DiskName(name))
		if other, ok := made[target]; ok {
			errs = append(errs, hint.Wrap(cli.Usagef("%s and %s would become the same files %s.*", other, name, target), "convert them one after the other, with different folders for --output"))
			continue
		}
		made[target] = name
		if err := o.file(ctx, env, name, folder); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// file converts one disk and tells what was made of it.
func (o *options) file(ctx context.Context, env *cli.Env, name, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("creating the folder for the new files: %w", err)
	}
	var in *source.File
	var err error
	if name == "-" {
		in, err = source.OpenStream(ctx, env.Stdin, folder, env.Report)
	} else {
		in, err = source.Open(ctx, name, folder, env.Report)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	job := convert.Job{
		Source:  in.Disk,
		Formats: o.formats,
		Folder:  folder,
		Disk:    convert.Disk{Name: source.DiskName(name), Arch: o.arch},
		From:    name,
		Report:  env.Report,
	}
	made, err := job.Run(ctx)
	if err != nil {
		return fmt.Errorf("converting %s: %w", name, err)
	}
	out := env.Lines()
	for _, a := range made {
		a.Path = filepath.Join(folder, a.Path)
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return nil
}
