package main

import (
	"flag"
	"testing"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/repo/repotest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"img-diff": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.With(repotest.Commands), Setup: func(env *testscript.Env) error {
		err := clitest.Setup(env)
		env.Setenv("RESPIN_CACHE", env.WorkDir+"/cache")
		return err
	}})
}

func TestManual(t *testing.T) {
	if missing := cli.Undocumented(doc, func(fs *flag.FlagSet) { new(options).define(fs) }); len(missing) > 0 {
		t.Errorf("the manual does not mention %q", missing)
	}
}
