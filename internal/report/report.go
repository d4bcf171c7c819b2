// Package report tells people how long work is getting on: bars on a terminal,
// a plain line every few seconds elsewhere, and groups, annotations and a step
// summary on GitHub Actions.
//
// Everything goes to one writer, standard error in practice, because standard
// output carries the manifests. The commands of a pipe share one terminal, so
// the drawing is made for several writers; see terminal.go.
//
// A nil *Report is valid and silent.
package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sethvargo/go-githubactions"
)

// Mode is how a report is presented.
type Mode int

const (
	Lines    Mode = iota // plain lines, for logs
	Terminal             // bars
	Actions              // lines, and GitHub's workflow commands
)

// A Report writes what one command has to say while it works.
// Its methods may be called from several goroutines.
type Report struct {
	name   string
	mode   Mode
	quiet  bool
	action *githubactions.Action

	mu    sync.Mutex
	w     io.Writer
	tasks []*Task // running, in the order they began
	screen
	stop chan struct{} // closed to end the refresh loop; nil while no task runs
}

// New returns a report on w for the command called name.
// getenv is asked for what GitHub Actions puts into the environment.
func New(w io.Writer, name string, mode Mode, getenv func(string) string) *Report {
	r := &Report{name: name, mode: mode, w: w}
	r.action = githubactions.New(githubactions.WithWriter(w), githubactions.WithGetenv(getenv))
	return r
}

// Quiet silences everything but warnings and errors.
func (r *Report) Quiet() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = true
}

// Printf writes one message.
func (r *Report) Printf(format string, args ...any) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.quiet {
		r.print(fmt.Sprintf(format, args...))
	}
}

// Hint writes what can be done about an error that was just written.
func (r *Report) Hint(text string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.print("hint: " + text)
}

// print writes each line of text behind the command's name. The caller holds mu.
//
// The name in front is also what keeps text that others wrote, such as a
// script's output, from being taken for a workflow command, which must begin
// its line; the older form "##[" is looked for anywhere, so it is broken up.
func (r *Report) print(text string) {
	var b strings.Builder
	b.WriteString(r.clear())
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		line = printable(line)
		if r.mode == Actions {
			line = strings.ReplaceAll(line, "##[", "## [")
		}
		fmt.Fprintf(&b, "%s: %s\n", r.name, line)
	}
	io.WriteString(r.w, b.String())
	r.redraw(time.Now())
}

// printable replaces control characters, which could move the cursor or end
// the line, by U+FFFD; a tab stays.
func printable(line string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f || 0x80 <= c && c < 0xa0 {
			return '\uFFFD'
		}
		return c
	}, line)
}

// A Place is a position in a file a person can edit. Line and Column count from 1; 0 is unknown.
type Place struct {
	File         string
	Line, Column int
}

// Warn writes a warning; on Actions it also annotates the place, if there is one.
func (r *Report) Warn(at Place, format string, args ...any) {
	r.annotate("warning", at, fmt.Sprintf(format, args...))
}

// Error writes an error; on Actions it also annotates the place, if there is one.
func (r *Report) Error(at Place, format string, args ...any) {
	r.annotate("error", at, fmt.Sprintf(format, args...))
}

func (r *Report) annotate(level string, at Place, text string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mode == Actions {
		properties := githubactions.CommandProperties{"title": r.name}
		if at.File != "" {
			properties["file"] = at.File
		}
		if at.Line > 0 {
			properties["line"] = fmt.Sprint(at.Line)
		}
		if at.Column > 0 {
			properties["col"] = fmt.Sprint(at.Column)
		}
		r.action.IssueCommand(&githubactions.Command{Name: level, Message: text, Properties: properties})
	}
	if level == "warning" {
		text = "warning: " + text
	}
	r.print(text)
}

// Group puts what follows under a title that folds on Actions, until the
// returned function is called. Elsewhere it prints nothing.
func (r *Report) Group(title string) (end func()) {
	if r == nil || r.mode != Actions {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.action.Group(printable(title))
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.action.EndGroup()
	}
}

// Summary adds Markdown to the step summary on Actions. Elsewhere it does nothing.
func (r *Report) Summary(markdown string) {
	if r == nil || r.mode != Actions || r.action.Getenv("GITHUB_STEP_SUMMARY") == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.action.AddStepSummary(markdown)
}

// Close ends the bars. The report can still be written to.
func (r *Report) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		close(r.stop)
		r.stop = nil
	}
	io.WriteString(r.w, r.clear())
	r.tasks = nil
	r.release()
}
