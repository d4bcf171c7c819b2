package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/githubapi"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/publish"
	"github.com/respin-project/respin/internal/release"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	batch, base, repository, specs string
	wait                           time.Duration
	allowUntested, dryRun          bool
	tag, published                 int
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.batch, "batch", "", "")
	fs.StringVar(&o.base, "base", "", "")
	fs.StringVar(&o.repository, "repository", "", "")
	fs.StringVar(&o.specs, "specs", "specs", "")
	fs.DurationVar(&o.wait, "wait", 5*time.Minute, "")
	fs.BoolVar(&o.allowUntested, "allow-untested", false, "")
	fs.IntVar(&o.tag, "tag", 0, "")
	fs.IntVar(&o.published, "published", 0, "")
	fs.BoolVar(&o.dryRun, "dry-run", false, "")
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	merged := false // whether it is about a merged pull request
	env.Flags.Visit(func(f *flag.Flag) { merged = merged || f.Name == "tag" || f.Name == "published" })
	if err := o.validate(args, merged); err != nil {
		return err
	}
	var batch *release.Batch
	if !merged {
		if batch, err = o.read(ctx, env); err != nil {
			return err
		}
		if batch == nil {
			return finish(env, &release.Result{Action: release.None, Batch: o.batch})
		}
	}
	r, err := githubapi.Open(os.Getenv, o.repository, o.wait, env.Report)
	if err != nil {
		return err
	}
	var result *release.Result
	switch {
	case o.tag > 0:
		result, err = release.Tag(ctx, r, o.tag)
	case o.published > 0:
		result, err = release.MarkPublished(ctx, r, o.published)
	default:
		p := &release.Proposal{Repository: r, Batch: batch, Base: o.base, Run: workflowRun(r.FullName()), Report: env.Report}
		if err := p.Prepare(ctx); err != nil {
			return err
		}
		if o.dryRun {
			return show(env, p)
		}
		result, err = p.Send(ctx)
	}
	if err != nil {
		return err
	}
	return finish(env, result)
}

func (o *options) validate(args []string, merged bool) error {
	switch {
	case len(args) > 0:
		return cli.Usagef("it takes manifests on standard input, and no arguments")
	case merged && (o.tag < 0 || o.published < 0 || (o.tag > 0) == (o.published > 0)):
		return cli.Usagef("one of --tag and --published takes the number of a pull request")
	case merged && (o.dryRun || o.allowUntested || o.batch != "" || o.base != ""):
		return cli.Usagef("--tag and --published do not go with --batch, --base, --allow-untested or --dry-run")
	case o.wait < 0:
		return cli.Usagef("--wait cannot be negative")
	case release.CheckPath(o.specs) != nil || path.Clean(o.specs) != o.specs:
		return cli.Usagef("--specs: %q is no folder in a repository", o.specs)
	}
	if o.batch != "" {
		if err := release.CheckName(o.batch); err != nil {
			return cli.Usagef("--batch: %w", err)
		}
	}
	return nil
}

// read reads the batch; nil if there is no manifest.
func (o *options) read(ctx context.Context, env *cli.Env) (*release.Batch, error) {
	var images []*release.Image
	in := manifest.NewReader(env.Stdin, "standard input")
	err := manifest.Each(ctx, in, io.Discard, func(_ context.Context, m *manifest.Manifest) error {
		if err := publish.TestedForRelease(m, o.allowUntested); err != nil {
			return err
		}
		i, err := release.NewImage(m, o.specs)
		images = append(images, i)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, errors.New("nothing is proposed: a batch is released together or not at all"))
	}
	if len(images) == 0 {
		env.Report.Printf("no manifest came in: nothing is proposed")
		return nil, nil
	}
	return release.NewBatch(o.batch, images)
}

// What can stand in a link as it is.
var (
	serverURL = regexp.MustCompile(`^https://[A-Za-z0-9.:-]+$`)
	runID     = regexp.MustCompile(`^[0-9]+$`)
)

// workflowRun is the address of the workflow run that this is; empty elsewhere.
func workflowRun(repository string) string {
	server, id := os.Getenv("GITHUB_SERVER_URL"), os.Getenv("GITHUB_RUN_ID")
	if !serverURL.MatchString(server) || !runID.MatchString(id) {
		return ""
	}
	return fmt.Sprintf("%s/%s/actions/runs/%s", server, repository, id)
}
