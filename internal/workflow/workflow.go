// Package workflow runs a repository's GitHub workflows on this machine: act
// runs the jobs as processes of their own, a strict fake of GitHub's API keeps
// the repository and its pull requests, and folders stand in for artifacts.
package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/githubfake"
)

// token is what the workflows log in to the fake with. It is worth nothing elsewhere.
const token = "ghs_dryRunOfTheWorkflows"

// A GitHub is one repository with its workflows, on this machine.
type GitHub struct {
	*githubfake.Server
	Name   string    // OWNER/NAME
	Output string    // a folder, for what the runs leave: artifacts, summaries
	Log    io.Writer // of the runs

	// Env is the environment that the jobs get besides this process's own, as
	// NAME=VALUE; Vars and Secrets are what workflows find in the contexts of these names.
	Env, Vars, Secrets []string

	API  string   // where the API is served
	Only []string // the workflows that may run, by the names of their files; all if empty

	act, source string // programs and files: act's, and respin's checkout
	work        string // a folder for the time of the runs
	server      *httptest.Server
	runs        int
}

// Open makes the repository OWNER/NAME of files, on its branch main. source is
// the checkout of respin that the workflows are to use. Close ends it.
func Open(ctx context.Context, name, source, output string, files map[string]string, log io.Writer) (*GitHub, error) {
	var err error
	g := &GitHub{Name: name, Log: log, Server: githubfake.New(name, token, files)}
	if g.source, err = filepath.Abs(source); err != nil {
		return nil, err
	}
	if g.Output, err = filepath.Abs(output); err != nil {
		return nil, err
	}
	if g.act, err = findAct(ctx, log); err != nil {
		return nil, err
	}
	if g.work, err = os.MkdirTemp("", "workflow-"); err != nil {
		return nil, err
	}
	if err := writeStandIns(filepath.Join(g.work, "standins")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(g.work))
	}
	g.server = httptest.NewServer(http.HandlerFunc(g.ServeHTTP))
	g.API = g.server.URL
	return g, nil
}

// Close ends the API and removes what only the runs need.
func (g *GitHub) Close() error {
	g.server.Close()
	return os.RemoveAll(g.work)
}

// Run runs the workflows that an event starts, one after the other, and returns
// what they did. Workflows that fail do not stop the others.
func (g *GitHub) Run(ctx context.Context, e Event) ([]*Run, error) {
	repository := filepath.Join(g.work, "repository.git")
	if err := g.Export(repository); err != nil {
		return nil, err
	}
	g.runs++
	checkout := filepath.Join(g.work, fmt.Sprintf("checkout-%d", g.runs))
	for _, args := range [][]string{
		{"clone", "-q", "--no-checkout", repository, checkout},
		{"-C", checkout, "checkout", "-q", "--detach", e.Commit},
	} {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	files, err := e.starts(filepath.Join(checkout, ".github", "workflows"))
	if err != nil {
		return nil, err
	}
	var runs []*Run
	for _, file := range files {
		if len(g.Only) > 0 && !slices.Contains(g.Only, filepath.Base(file)) {
			continue
		}
		r, err := g.run(ctx, e, checkout, file)
		if err != nil {
			return runs, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}
