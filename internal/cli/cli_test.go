package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/hint"
	"github.com/rogpeppe/go-internal/testscript"
)

const testDoc = `/*
Probe is a command to test the frame with.

Usage:

	probe [--to LIST] [--fail KIND] [file...]
*/
package main
`

func define(to, fail *string) func(*flag.FlagSet) {
	return func(fs *flag.FlagSet) {
		fs.StringVar(to, "to", "", "")
		fs.StringVar(fail, "fail", "", "")
	}
}

func probe(_ context.Context, env *Env) error {
	var to, fail string
	define(&to, &fail)(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	switch fail {
	case "plain":
		return errors.New("it broke")
	case "hint":
		return hint.Wrap(fmt.Errorf("outer: %w", hint.Wrap(errors.New("inner"), "do this first")), "then do that")
	case "no":
		return Say(errors.New("the image did not boot"))
	case "several":
		return errors.Join(Say(errors.New("first")), errors.New("second"), errors.Join(Usagef("third"), errors.New("second")))
	case "program":
		return fmt.Errorf("running it: %w", exec.Command("sh", "-c", "exit 100").Run())
	case "panic-free":
		defer fmt.Fprintln(env.Stdout, "cleaned up")
		return errors.New("failed")
	}
	fmt.Fprintf(env.Stdout, "to=%s args=%q\n", to, args)
	return nil
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"probe": func() { Main(testDoc, probe) }})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.Commands, Setup: clitest.Setup})
}

func TestUndocumented(t *testing.T) {
	var a, b string
	if got := Undocumented(testDoc, define(&a, &b)); len(got) != 0 {
		t.Errorf("undocumented: %q", got)
	}
	if got := Undocumented("/*\nnothing\n*/", define(&a, &b)); len(got) != 2 {
		t.Errorf("found %q, want both flags", got)
	}
}

func TestWorse(t *testing.T) {
	for _, tt := range []struct{ a, b, want int }{
		{OK, No, No}, {No, OK, No}, {No, Failed, Failed}, {Failed, No, Failed}, {Failed, Misuse, Failed}, {OK, OK, OK},
	} {
		if got := worse(tt.a, tt.b); got != tt.want {
			t.Errorf("worse(%d, %d) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestManual(t *testing.T) {
	if got, err := os.ReadFile("testdata/manual.golden"); err != nil || string(got) != Manual(testDoc) {
		t.Errorf("got %q, %v", Manual(testDoc), err)
	}
}
