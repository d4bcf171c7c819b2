package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path"
	"regexp"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/githubapi"
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
	verify                         string
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
	fs.StringVar(&o.verify, "verify", "", "")
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
	if o.verify != "" {
		return verify(ctx, env, o.verify)
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
		if err == nil {
			result.Matrix, err = release.Images(ctx, r, result)
		}
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
	case o.verify != "" && (merged || o.dryRun || o.allowUntested || o.batch != "" || o.base != "" || o.repository != ""):
		return cli.Usagef("--verify only reads: it does not go with flags for pull requests")
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
