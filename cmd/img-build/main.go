package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/build"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/spec"
)

//go:embed doc.go
var doc string

func main() {
	sandbox.Init()
	cli.Main(doc, run)
}

type options struct {
	output, locked    string
	repos, keys       cli.Strings
	insecure, offline bool
	diskSize, space   size
	timeout           time.Duration
	network           bool
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.output, "output", "out", "")
	fs.Var(&o.repos, "repo", "")
	fs.Var(&o.keys, "key", "")
	fs.BoolVar(&o.insecure, "insecure-no-signatures", false, "")
	fs.StringVar(&o.locked, "locked", "", "")
	fs.BoolVar(&o.offline, "offline", false, "")
	fs.Var(&o.diskSize, "disk-size", "")
	fs.DurationVar(&o.timeout, "script-timeout", 0, "")
	fs.Var(&o.space, "script-space", "")
	fs.BoolVar(&o.network, "script-network", false, "")
}

// size is a flag for a number of bytes, such as 5GiB.
type size int64

func (s *size) String() string { return report.Size(int64(*s)) }

func (s *size) Set(text string) error {
	n, err := spec.ParseSize(text)
	*s = size(n)
	return err
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
	dir, err := cache.Dir(os.Getenv)
	if err != nil {
		return err
	}
	c, err := cache.Open(dir)
	if err != nil {
		return err
	}
	c.Report = env.Report
	engine.Fetcher = &fetch.Fetcher{Cache: c, Report: env.Report, Offline: o.offline, UserAgent: "respin/" + cli.Version()}
	return errors.Join(buildAll(ctx, env, engine, files), c.Close())
}

// buildAll builds the images of the files, or of standard input if there are none.
func buildAll(ctx context.Context, env *cli.Env, engine *build.Engine, files []string) error {
	if len(files) == 0 {
		return manifest.Each(ctx, manifest.NewReader(env.Stdin, "standard input"), env.Stdout, engine.Build)
	}
	var errs []error
	for _, file := range files {
		m, err := manifest.Open(file)
		if err == nil {
			if err = engine.Build(ctx, m); err == nil {
				err = m.Write(env.Stdout)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// engine checks the flags and the files that they name.
func (o *options) engine(env *cli.Env) (*build.Engine, error) {
	e := &build.Engine{
		Report: env.Report, Output: o.output, Insecure: o.insecure, DiskSize: int64(o.diskSize),
		Replace: map[string]string{},
		Scripts: manifest.Scripts{Network: o.network, Space: int64(o.space), Timeout: manifest.Duration(o.timeout)},
	}
	for _, r := range o.repos {
		name, url, ok := strings.Cut(r, "=")
		if !ok || name == "" || url == "" {
			return nil, cli.Usagef("--repo needs NAME=URL, not %q", r)
		}
		e.Replace[name] = url
	}
	for _, file := range o.keys {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the key: %w", err)
		}
		if err := new(rpm.Keyring).Add(data); err != nil {
			return nil, fmt.Errorf("reading the key %s: %w", file, err)
		}
		e.Keys = append(e.Keys, data)
	}
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		date, err := strconv.ParseInt(text, 10, 64)
		if err != nil || date <= 0 {
			return nil, cli.Usagef("SOURCE_DATE_EPOCH is %q, which is no number of seconds since 1970", text)
		}
		e.SourceDate = date
	}
	if o.locked != "" {
		var err error
		if e.Lock, err = lock.Read(o.locked); err != nil {
			return nil, err
		}
	}
	return e, nil
}
