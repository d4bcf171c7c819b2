package main

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ks-render": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.Commands, Setup: setup(t)})
}

func setup(t *testing.T) func(*testscript.Env) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return func(env *testscript.Env) error {
		env.Setenv("ROOT", root)
		return clitest.Setup(env)
	}
}

func TestManual(t *testing.T) {
	if missing := cli.Undocumented(doc, func(fs *flag.FlagSet) { new(command).define(fs) }); len(missing) > 0 {
		t.Errorf("the manual does not mention %q", missing)
	}
}
