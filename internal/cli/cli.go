// Package cli is the frame of every command: streams, flags, usage, hints, exit codes and signals.
//
// A command is a function; its main is one line:
//
//	//go:embed doc.go
//	var doc string
//
//	func main() { cli.Main(doc, run) }
//
// The text of doc.go is both the manual and what -h prints. Only this package
// exits the process, so that deferred clean-ups always run.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/near"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/term"
)

// The exit codes of every command.
const (
	OK     = 0 // done
	Failed = 1 // could not do it
	Misuse = 2 // wrong use: flags or arguments
	No     = 3 // the answer is no: an image failed its test, a mirror is stale
)

// Env is what a command runs in.
type Env struct {
	Name   string // the command's name, as in its messages
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Flags  *flag.FlagSet
	Report *report.Report

	args []string
	doc  string
}

// Lines writes values to Stdout, a line of JSON each.
func (e *Env) Lines() *json.Encoder {
	out := json.NewEncoder(e.Stdout)
	out.SetEscapeHTML(false)
	return out
}

// Func does a command's work. What it returns decides the exit code: nil is OK,
// an error with a method ExitCode() int says its own, any other is Failed.
// Joined errors are reported one by one.
type Func func(context.Context, *Env) error

// Main runs a command and exits.
func Main(doc string, run Func) {
	os.Exit(start(doc, run))
}

func start(doc string, run Func) int {
	// A reader that goes away must not kill us before the clean-ups: with a
	// handler in place the write fails instead. Unlike an ignored signal, this
	// is not passed on to the programs that are run.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()

	name := filepath.Base(os.Args[0])
	env := &Env{
		Name:   name,
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Flags:  flag.NewFlagSet(name, flag.ContinueOnError),
		Report: report.New(os.Stderr, name, reportMode(os.Getenv), os.Getenv),
		args:   os.Args[1:],
		doc:    doc,
	}
	defer env.Report.Close()
	env.Flags.SetOutput(io.Discard)
	err := run(ctx, env)
	env.Report.Close()
	if ctx.Err() != nil && err != nil && err.Error() != "" { // without words, another process said it
		err = errors.New("interrupted")
	}
	return env.exit(err)
}

func reportMode(getenv func(string) string) report.Mode {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		return report.Actions
	case term.IsTerminal(int(os.Stderr.Fd())) && getenv("TERM") != "dumb":
		return report.Terminal
	}
	return report.Lines
}

// exit reports err and returns the exit code it stands for. What several
// joined errors say in the same words, as those of two images made from one
// file do, is said once.
func (e *Env) exit(err error) int {
	code := OK
	said := map[string]bool{}
	for _, err := range split(err) {
		if errors.Is(err, flag.ErrHelp) || said[err.Error()] {
			continue
		}
		said[err.Error()] = true
		at := report.Place{}
		if p, ok := errors.AsType[interface {
			error
			Place() report.Place
		}](err); ok {
			at = p.Place()
		}
		if text := err.Error(); text != "" {
			e.Report.Error(at, "%s", text)
		}
		for _, h := range hint.Of(err) {
			e.Report.Hint(h)
		}
		code = worse(code, exitCode(err))
	}
	return code
}

// worse of two exit codes: what could not be done outweighs a no, for after
// it nobody knows the answer.
func worse(a, b int) int {
	if a == OK || a == No && b != OK {
		return b
	}
	return a
}

func exitCode(err error) int {
	c, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err)
	if !ok {
		return Failed
	}
	// The exit code of a program that was run is not ours.
	if _, program := c.(*exec.ExitError); program {
		return Failed
	}
	return c.ExitCode()
}

// split returns the errors that err joins, or err alone.
func split(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, split(err)...)
	}
	return all
}

type coded struct {
	error
	code int
}

func (c *coded) Unwrap() error { return c.error }
func (c *coded) ExitCode() int { return c.code }

// Usagef is an error about flags or arguments.
func Usagef(format string, args ...any) error {
	return &coded{fmt.Errorf(format, args...), Misuse}
}

// Say marks err as the answer no rather than a failure.
func Say(err error) error { return &coded{err, No} }

// Parse parses the command line after the command defined its flags, which may
// stand before, between and after the arguments it returns; "--" ends them.
// It adds -h, --version and --quiet.
func (e *Env) Parse() ([]string, error) {
	quiet := e.Flags.Bool("quiet", false, "print warnings and errors only")
	version := e.Flags.Bool("version", false, "print the version")
	var arguments []string
	for rest := e.args; ; {
		if err := e.Flags.Parse(rest); err != nil {
			return nil, e.usage(err)
		}
		left := e.Flags.Args()
		if n := len(rest) - len(left); n > 0 && rest[n-1] == "--" || len(left) == 0 {
			arguments = append(arguments, left...)
			break
		}
		arguments = append(arguments, left[0])
		rest = left[1:]
	}
	if *version {
		fmt.Fprintln(e.Stdout, e.Name, Version())
		return nil, flag.ErrHelp
	}
	if *quiet {
		e.Report.Quiet()
	}
	return arguments, nil
}

// oneDash is how package flag names a flag in its errors.
var oneDash = regexp.MustCompile(`^(invalid (?:boolean )?value .* for (?:flag )?|flag needs an argument: )-(\w)`)

func (e *Env) usage(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		io.WriteString(e.Stdout, Manual(e.doc))
		return err
	}
	const unknown = "flag provided but not defined: -"
	name, ok := strings.CutPrefix(err.Error(), unknown)
	if !ok {
		text := oneDash.ReplaceAllString(err.Error(), "$1--$2") // as the manual writes flags
		return hint.Wrap(Usagef("%s", text), "%s -h explains the flags", e.Name)
	}
	var names []string
	e.Flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	name = strings.TrimLeft(name, "-")
	if meant, ok := near.Name(name, names); ok {
		return hint.Wrap(Usagef("unknown flag --%s", name), "did you mean --%s?", meant)
	}
	return hint.Wrap(Usagef("unknown flag --%s", name), "%s -h lists the flags", e.Name)
}

// Manual is the text of a doc.go: its package comment without the comment marks.
func Manual(doc string) string {
	_, doc, _ = strings.Cut(doc, "/*\n")
	doc, _, _ = strings.Cut(doc, "*/")
	return doc
}

// Undocumented returns the flags that the manual in doc does not mention as --NAME.
func Undocumented(doc string, define func(*flag.FlagSet)) []string {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	define(flags)
	var missing []string
	flags.VisitAll(func(f *flag.Flag) {
		if !strings.Contains(Manual(doc), "--"+f.Name) {
			missing = append(missing, f.Name)
		}
	})
	return missing
}

// Version is the version of the suite, as the Go toolchain recorded it.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// SplitList splits the value of a flag that is a list with commas; empty parts are left out.
func SplitList(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' })
}

// Pairs reads the values of a flag that was given several times, each a name
// and what it stands for. form is how the flag's value is written, as NAME=VALUE.
func Pairs(flag, form string, values []string) (map[string]string, error) {
	all := map[string]string{}
	for _, text := range values {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, Usagef("--%s needs %s, not %q", flag, form, text)
		}
		all[name] = value
	}
	return all, nil
}

// Repos reads the values of --repo, which puts another URL in the place of a
// named repository's.
func Repos(values []string) (map[string]string, error) {
	const flag, form = "repo", "NAME=URL"
	for _, text := range values {
		if _, url, _ := strings.Cut(text, "="); url == "" {
			return nil, Usagef("--%s needs %s, not %q", flag, form, text)
		}
	}
	return Pairs(flag, form, values)
}

// Strings is a flag that can be given several times.
type Strings []string

func (s *Strings) String() string     { return strings.Join(*s, " ") }
func (s *Strings) Set(v string) error { *s = append(*s, v); return nil }
