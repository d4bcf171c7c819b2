package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/pending"
	"github.com/respin-project/respin/internal/qemu"
	"github.com/respin-project/respin/internal/smoke"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	firmware, format, accel, user, junit, arch, bundle string
	cpus, memory, jobs                                 int
	timeout                                            time.Duration
	skip                                               cli.Strings
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.firmware, "firmware", "", "firmwares, separated by a comma")
	fs.StringVar(&o.format, "format", "", "the format of the artifact to boot")
	fs.StringVar(&o.accel, "accel", "", "the accelerator")
	fs.StringVar(&o.user, "user", "", "whom to log in as")
	fs.StringVar(&o.junit, "junit", "", "the file for a JUnit report")
	fs.StringVar(&o.arch, "arch", "", "the architecture of plain files")
	fs.StringVar(&o.bundle, "bundle", "", "the folder for what failed tests of plain files leave")
	fs.IntVar(&o.cpus, "cpus", 0, "processors of a guest")
	fs.IntVar(&o.memory, "memory", 0, "memory of a guest, MiB")
	fs.IntVar(&o.jobs, "jobs", 0, "guests at the same time")
	fs.DurationVar(&o.timeout, "timeout", 0, "for one boot with its tests")
	fs.Var(&o.skip, "skip", "a check or cause to pass over")
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	files, err := env.Parse()
	if err != nil {
		return err
	}
	tester, err := o.tester(env)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		err = o.files(ctx, env, tester, files)
	} else {
		err = o.manifests(ctx, env, tester)
	}
	suites := tester.Suites()
	if len(suites) > 0 {
		env.Report.Summary(smoke.Summary(suites))
	}
	if o.junit != "" && ctx.Err() == nil {
		err = errors.Join(err, pending.WriteFile(o.junit, smoke.JUnit(suites), 0o644))
	}
	return err
}

// tester checks the flags.
func (o *options) tester(env *cli.Env) (*smoke.Tester, error) {
	t := &smoke.Tester{
		Accelerator: qemu.Accelerator(o.accel), Format: o.format, User: o.user, Skip: o.skip, CPUs: o.cpus, Memory: int64(o.memory) << 20,
		Timeout: o.timeout, Jobs: o.jobs, Cache: cacheFolder(), Report: env.Report,
	}
	if o.accel != "" && t.Accelerator != qemu.KVM && t.Accelerator != qemu.TCG {
		return nil, cli.Usagef("--accel: %q is neither kvm nor tcg", o.accel)
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"cpus", o.cpus}, {"memory", o.memory}, {"jobs", o.jobs}, {"timeout", int(o.timeout)}} {
		if f.value < 0 {
			return nil, cli.Usagef("--%s: it cannot be negative", f.name)
		}
	}
	if err := smoke.Bootable(o.format); o.format != "" && err != nil {
		return nil, cli.Usagef("--format: %w", err)
	}
	if o.firmware != "" {
		for name := range strings.SplitSeq(o.firmware, ",") {
			if name != "bios" && name != "uefi" {
				return nil, cli.Usagef("--firmware: %q is neither bios nor uefi", name)
			}
			if !slices.Contains(t.Firmware, name) {
				t.Firmware = append(t.Firmware, name)
			}
		}
	}
	for _, name := range o.skip {
		if err := smoke.Skippable(name); err != nil {
			return nil, cli.Usagef("--skip: %w", err)
		}
	}
	return t, nil
}

// manifests tests the images of a stream.
func (o *options) manifests(ctx context.Context, env *cli.Env, t *smoke.Tester) error {
	if o.arch != "" || o.bundle != "" {
		return cli.Usagef("--arch and --bundle are for plain files: a manifest says both")
	}
	in := manifest.NewReader(env.Stdin, "standard input")
	return manifest.Concurrently(ctx, o.parallel(), in, env.Stdout, t.Manifest)
}

// parallel is how many images are in work at the same time. How many of them run is the tester's to say.
func (o *options) parallel() int { return max(o.jobs, runtime.NumCPU()) }

// files tests plain files, and prints a line for each test.
func (o *options) files(ctx context.Context, env *cli.Env, t *smoke.Tester, files []string) error {
	if o.arch == "" {
		o.arch = manifest.HostArch()
	}
	out := env.Lines()
	var (
		work  sync.WaitGroup
		mu    sync.Mutex // guards out
		slots = make(chan struct{}, o.parallel())
		errs  = make([]error, len(files))
	)
	for i, file := range files {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			tests, err := t.File(ctx, file, o.arch, o.bundle)
			mu.Lock()
			defer mu.Unlock()
			for _, test := range tests {
				err = errors.Join(err, out.Encode(test))
			}
			errs[i] = err
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

// cacheFolder is the folder for what is known of this machine; empty if the user has no cache.
func cacheFolder() string {
	dir, err := cache.Dir(os.Getenv)
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "qemu")
}
