package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/workflow"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	event, base, name, output string
	merge                     bool
	envs, vars, secrets       cli.Strings
	workflows                 cli.Strings
}

var events = []string{"pull_request", "schedule", "repository_dispatch", "workflow_dispatch", "push"}

func run(ctx context.Context, env *cli.Env) (err error) {
	var o options
	env.Flags.StringVar(&o.event, "event", "pull_request", "")
	env.Flags.StringVar(&o.base, "base", "HEAD", "")
	env.Flags.StringVar(&o.name, "name", "", "")
	env.Flags.StringVar(&o.output, "output", "workflow-dry-run", "")
	env.Flags.BoolVar(&o.merge, "merge", false, "")
	env.Flags.Var(&o.workflows, "workflow", "")
	env.Flags.Var(&o.envs, "env", "")
	env.Flags.Var(&o.vars, "var", "")
	env.Flags.Var(&o.secrets, "secret", "")
	args, err := env.Parse()
	if err != nil {
		return err
	}
	folder, err := o.validate(args)
	if err != nil {
		return err
	}
	committed, err := committed(ctx, folder, o.base)
	if err != nil {
		return err
	}
	var log io.Writer = os.Stderr
	if env.Flags.Lookup("quiet").Value.String() == "true" {
		log = io.Discard
	}
	g, err := workflow.Open(ctx, o.name, cmp.Or(os.Getenv("RESPIN_SOURCE"), "."), o.output, committed, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	g.Env, g.Vars, g.Secrets, g.Only = o.envs, o.vars, o.secrets, o.workflows
	event := g.Main(o.event, "")
	if o.event == "pull_request" {
		files, err := present(ctx, folder)
		if err != nil {
			return err
		}
		event = g.PullRequest("change", files)
	}
	runs, err := g.Run(ctx, event)
	if err != nil {
		return err
	}
	if o.merge {
		more, err := merge(ctx, g)
		if err != nil {
			return err
		}
		runs = append(runs, more...)
	}
	return o.tell(env, g, runs)
}

func (o *options) validate(args []string) (folder string, err error) {
	folder = "."
	switch {
	case len(args) > 1:
		return "", cli.Usagef("it takes one repository, not %d", len(args))
	case len(args) == 1:
		folder = args[0]
	}
	if !slices.Contains(events, o.event) {
		return "", cli.Usagef("--event cannot be %q, only %s", o.event, strings.Join(events, ", "))
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return "", err
	}
	if o.name == "" {
		o.name = "owner/" + filepath.Base(folder)
	}
	if owner, name, ok := strings.Cut(o.name, "/"); !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return "", cli.Usagef("--name is OWNER/NAME, not %q", o.name)
	}
	return folder, nil
}

// merge merges the pull requests that release-pr opened.
func merge(ctx context.Context, g *workflow.GitHub) (runs []*workflow.Run, err error) {
	for _, p := range g.Pulls() {
		if p.State != "open" || !strings.HasPrefix(p.Head, "respin/") {
			continue
		}
		more, err := g.Run(ctx, g.MergePull(p.Number))
		if err != nil {
			return runs, err
		}
		runs = append(runs, more...)
	}
	return runs, nil
}

// tell tells how the runs ended, and writes down the pull requests that they made.
func (o *options) tell(env *cli.Env, g *workflow.GitHub, runs []*workflow.Run) error {
	var failed []string
	for _, r := range runs {
		verdict := "passed"
		if !r.Passed {
			verdict = "failed"
			failed = append(failed, r.Workflow)
		}
		fmt.Fprintf(env.Stdout, "%s\t%s\t%s\n", r.Workflow, verdict, r.Output)
	}
	if len(runs) == 0 {
		fmt.Fprintf(env.Stdout, "no workflow is started by %s\n", o.event)
	}
	for _, p := range g.Pulls() {
		if !strings.HasPrefix(p.Head, "respin/") {
			continue
		}
		path := filepath.Join(g.Output, fmt.Sprintf("pull-%d.md", p.Number))
		text := fmt.Sprintf("# %s\n\nfrom %s to %s; labels: %s\n\n%s\n", p.Title, p.Head, p.Base, strings.Join(p.Labels, ", "), p.Body)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(env.Stdout, "#%d\t%s\t%s\n", p.Number, p.Title, path)
	}
	if len(failed) > 0 {
		return cli.Say(fmt.Errorf("failed: %s", strings.Join(failed, ", ")))
	}
	return nil
}
