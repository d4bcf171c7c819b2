package main

import (
	"os"
	"testing"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	sandbox.Init() // the command starts this program again inside
	testscript.Main(m, map[string]func(){"img-build": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.Commands, Setup: func(env *testscript.Env) error {
		if err := clitest.Setup(env); err != nil {
			return err
		}
		env.Setenv("SOURCE_DATE_EPOCH", "")
		env.Setenv("RESPIN_CACHE", env.WorkDir+"/cache")
		return nil
	}, Condition: func(name string) (bool, error) { return name == "root" && os.Geteuid() == 0, nil }})
}

func TestManual(t *testing.T) {
	if missing := cli.Undocumented(doc, new(options).define); len(missing) > 0 {
		t.Errorf("the manual does not mention %q", missing)
	}
}
