package main

import (
	"flag"
	"os/exec"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/repo/repotest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"img-plan": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.With(repotest.Commands), Setup: func(env *testscript.Env) error {
		err := clitest.Setup(env)
		for name, value := range map[string]string{
			"RESPIN_CACHE": env.WorkDir + "/cache", "GIT_CONFIG_GLOBAL": env.WorkDir + "/gitconfig", "GIT_CONFIG_NOSYSTEM": "1",
			"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000",
		} {
			env.Setenv(name, value)
		}
		return err
	}, Condition: func(cond string) (bool, error) {
		_, err := exec.LookPath(cond)
		return err == nil, nil
	}})
}

func TestManual(t *testing.T) {
	if missing := cli.Undocumented(doc, func(fs *flag.FlagSet) { new(options).define(fs) }); len(missing) > 0 {
		t.Errorf("the manual does not mention %q", missing)
	}
}

func TestAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"30d": 720 * time.Hour, "4w": 672 * time.Hour, "12h": 12 * time.Hour, "0d": 0, "90m": 90 * time.Minute} {
		if got, err := age(text); err != nil || got != want {
			t.Errorf("age(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "99999999w", "-3h", "month", "1y"} {
		if got, err := age(text); err == nil {
			t.Errorf("age(%q) = %v", text, got)
		}
	}
}
