package workflow

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/hint"
)

// actModule is the program that runs the jobs, and its version.
const actModule = "github.com/nektos/act@v0.2.89"

// findAct returns act's program, which is built once.
func findAct(ctx context.Context, log io.Writer) (string, error) {
	dir, err := cache.Dir(os.Getenv)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, "act", filepath.Base(actModule))
	program := filepath.Join(folder, "act")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(log, "building %s\n", actModule)
	cmd := exec.CommandContext(ctx, "go", "install", actModule)
	cmd.Env = append(os.Environ(), "GOBIN="+folder, "GOFLAGS=-trimpath")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", hint.Wrap(fmt.Errorf("building %s: %w\n%s", actModule, err, out), "it comes from Go's module proxy")
	}
	return program, nil
}

//go:embed all:standins
var standIns embed.FS

// writeStandIns writes the actions that stand in for GitHub's own.
func writeStandIns(folder string) error {
	return fs.WalkDir(standIns, "standins", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(folder, strings.TrimPrefix(path, "standins"))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := standIns.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o755)
	})
}

// A Run is what one workflow did.
type Run struct {
	Workflow  string // the file's name
	Passed    bool
	Summaries []string // the step summaries, in the order in which they were written
	Commands  []string // errors, warnings and notices, as "::error file=…::text"
	Output    string   // the folder that has its artifacts and summary.md
}

// run has act run one workflow.
func (g *GitHub) run(ctx context.Context, e Event, checkout, file string) (*Run, error) {
	payload, err := e.text(g.Name)
	if err != nil {
		return nil, err
	}
	event := checkout + ".json"
	if err := os.WriteFile(event, payload, 0o644); err != nil {
		return nil, err
	}
	output := filepath.Join(g.Output, fmt.Sprintf("%d-%s", g.runs, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))))
	if err := os.MkdirAll(output, 0o755); err != nil {
		return nil, err
	}
	args, err := g.args(e, checkout, file, event)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, g.act, args...)
	cmd.Dir = checkout
	cmd.Env = append(os.Environ(), "DRY_RUN_REPOSITORY="+filepath.Join(g.work, "repository.git"), "DRY_RUN_RESPIN="+g.source, "DRY_RUN_OUTPUT="+output)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	r := &Run{Workflow: filepath.Base(file), Output: output}
	err = r.follow(cmd, g.Log)
	if _, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		err = nil
	} else if err == nil {
		r.Passed = true
	}
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", r.Workflow, err)
	}
	return r, os.WriteFile(filepath.Join(output, "summary.md"), []byte(strings.Join(r.Summaries, "\n")), 0o644)
}

// args are those of act.
func (g *GitHub) args(e Event, checkout, file, event string) ([]string, error) {
	args := []string{
		e.Name, "--directory", checkout, "--workflows", file, "--eventpath", event, "--defaultbranch", "main", "--json", "--rm", "--no-skip-checkout", "--no-cache-server",
		"--action-cache-path", filepath.Join(g.work, "act"), "--artifact-server-addr", "127.0.0.1", "--cache-server-addr", "127.0.0.1",
		"--platform", "ubuntu-24.04=-self-hosted", "--platform", "ubuntu-24.04-arm=-self-hosted", "--secret", "GITHUB_TOKEN=" + token,
		"--concurrent-jobs", "1",
	}
	for _, env := range append([]string{
		"GITHUB_API_URL=" + g.API, "GITHUB_REPOSITORY=" + g.Name, "GITHUB_REPOSITORY_OWNER=" + strings.Split(g.Name, "/")[0], "SHA_REF=" + e.Commit, "GITHUB_REF=" + e.Ref,
	}, g.Env...) {
		args = append(args, "--env", env)
	}
	for _, v := range g.Vars {
		args = append(args, "--var", v)
	}
	for _, secret := range g.Secrets {
		args = append(args, "--secret", secret)
	}
	local, err := g.local(file)
	if err != nil {
		return nil, err
	}
	for _, l := range local {
		args = append(args, "--local-repository", l)
	}
	return args, nil
}

// local maps what the workflow and respin's own use to folders.
func (g *GitHub) local(file string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(g.source, "workflows", "*.yml"))
	if err != nil {
		return nil, err
	}
	known := map[string]string{"respin-project/respin": g.source}
	for _, action := range []string{"checkout", "setup-go", "upload-artifact", "download-artifact"} {
		known["actions/"+action] = filepath.Join(g.work, "standins", action)
	}
	var all []string
	for _, f := range append(files, file) {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for _, uses := range used(text) {
			at, ref, _ := strings.Cut(uses, "@")
			parts := strings.SplitN(at, "/", 3)
			if len(parts) < 2 {
				continue
			}
			if folder := known[parts[0]+"/"+parts[1]]; folder != "" {
				all = append(all, parts[0]+"/"+parts[1]+"@"+ref+"="+folder)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// used returns the values of the keys "uses" of a workflow.
func used(text []byte) []string {
	var w struct {
		Jobs map[string]struct {
			Uses  string
			Steps []struct{ Uses string }
		}
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		return nil // act will say it
	}
	var all []string
	for _, j := range w.Jobs {
		all = append(all, j.Uses)
		for _, s := range j.Steps {
			all = append(all, s.Uses)
		}
	}
	return all
}

// follow runs act and reads its log. A job that failed is an *exec.ExitError.
func (r *Run) follow(cmd *exec.Cmd, log io.Writer) error {
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	done := make(chan error, 1)
	go func() {
		err := r.read(reader, log)
		reader.CloseWithError(err)
		done <- err
	}()
	err := cmd.Run()
	writer.Close()
	if readErr := <-done; readErr != nil {
		return readErr
	}
	return err
}

// A line of act's log.
type line struct {
	Level, Msg, Job, Stage, Command, Content, Raw string
}

func (r *Run) read(in io.Reader, log io.Writer) error {
	for lines := bufio.NewReader(in); ; {
		text, err := lines.ReadBytes('\n')
		if len(text) > 0 {
			r.take(bytes.TrimSpace(text), log)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take takes one line of the log.
func (r *Run) take(text []byte, log io.Writer) {
	var l line
	if json.Unmarshal(text, &l) != nil {
		l = line{Level: "info", Msg: string(text)}
	}
	if l.Level == "debug" {
		return
	}
	msg := strings.TrimRight(l.Msg, "\n")
	switch l.Command {
	case "summary":
		r.Summaries = append(r.Summaries, l.Content)
		msg = "  (step summary)\n" + l.Content
	case "error", "warning", "notice":
		r.Commands = append(r.Commands, strings.TrimSpace(l.Raw))
	}
	if l.Stage != "Pre" && l.Stage != "Post" && !strings.HasPrefix(msg, "LocalRepositoryCache") {
		fmt.Fprintf(log, "[%s] %s\n", strings.TrimSpace(l.Job), msg)
	}
}
