package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/release"
	"github.com/respin-project/respin/internal/summary"
)

// finish prints what was done, and makes outputs of it on GitHub Actions.
func finish(env *cli.Env, r *release.Result) error {
	if r.Number > 0 {
		env.Report.Printf("%s: #%d %s", r.Action, r.Number, r.URL)
		table := summary.Table{Title: "Release", Address: "pull request", Columns: []string{"batch", "what was done", "tag"}}
		table.Add(r.URL, r.Batch, r.Action, r.Tag)
		table.Summarize(env.Report)
	}
	if err := output(r); err != nil {
		return fmt.Errorf("writing the step's outputs: %w", err)
	}
	return env.Lines().Encode(r)
}

func output(r *release.Result) error {
	path := os.Getenv("GITHUB_OUTPUT")
	if path == "" {
		return nil
	}
	matrix := ""
	if r.Matrix != nil {
		line, err := json.Marshal(r.Matrix)
		if err != nil {
			return err
		}
		matrix = string(line)
	}
	var text strings.Builder
	for _, o := range []struct{ name, value string }{
		{"action", r.Action}, {"batch", r.Batch}, {"number", number(r.Number)}, {"url", r.URL}, {"tag", r.Tag}, {"commit", r.Commit}, {"matrix", matrix},
	} {
		if strings.ContainsAny(o.value, "\r\n") { // which would be another output
			return fmt.Errorf("%s is %q", o.name, o.value)
		}
		fmt.Fprintf(&text, "%s=%s\n", o.name, o.value)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text.String()); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// A plan is what a dry run prints.
type plan struct {
	Batch  string           `json:"batch"`
	Branch string           `json:"branch"`
	Base   string           `json:"base"`
	Due    bool             `json:"due"` // whether the base lacks one of the locks
	Title  string           `json:"title,omitempty"`
	Body   string           `json:"body,omitempty"`
	Files  []release.Change `json:"files"`
}

// show prints what would be sent, for people and as a line of JSON, in which
// no text can be taken for a workflow command.
func show(env *cli.Env, p *release.Proposal) error {
	out := plan{p.Batch.Name, p.Batch.Branch(), p.Base, p.Due(), p.Title, p.Body, p.Changes}
	if !out.Due {
		env.Report.Printf("the branch %s has these locks already", p.Base)
		out.Files = []release.Change{}
	} else {
		env.Report.Printf("would propose %s from %s to %s", p.Title, out.Branch, p.Base)
	}
	for _, c := range p.Changes {
		env.Report.Printf("would write %s (%d bytes)", c.Path, c.Size)
	}
	if p.Body != "" {
		env.Report.Printf("%s", p.Body)
	}
	return env.Lines().Encode(out)
}
