// Package clitest is what the test scripts of all commands share.
package clitest

import (
	"errors"
	"maps"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands are the additional commands of the scripts.
var Commands = map[string]func(*testscript.TestScript, bool, []string){
	"exits":      exits,
	"documented": documented,
}

// With returns Commands and more.
func With(more map[string]func(*testscript.TestScript, bool, []string)) map[string]func(*testscript.TestScript, bool, []string) {
	all := maps.Clone(Commands)
	maps.Copy(all, more)
	return all
}

// Program is the path of a command that testscript.Main runs as this test's own program.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("SKIP: the command is not on the path")
	}
	return path
}

// exits CODE PROGRAM [ARG...] runs a program that must end with that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// Setup takes the machine's own peculiarities out of a script's environment.
func Setup(env *testscript.Env) error {
	for _, name := range []string{"GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "RESPIN_CACHE"} {
		env.Setenv(name, "")
	}
	return nil
}
