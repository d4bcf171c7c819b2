// Package workflows holds the reusable workflows to what whoever calls them relies on.
package workflows

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func sources(t *testing.T) map[string][]byte {
	files, err := filepath.Glob("*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no workflows")
	}
	texts := map[string][]byte{}
	for _, f := range files {
		if texts[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// GitHub finds workflows in .github/workflows only, and takes no links.
func TestCopies(t *testing.T) {
	for name, want := range sources(t) {
		got, err := os.ReadFile(filepath.Join("../.github/workflows", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf(".github/workflows/%s is not a copy of workflows/%s: run scripts/sync-workflows", name, name)
		}
	}
}

var pinned = regexp.MustCompile(`^[A-Za-z0-9-]+/[A-Za-z0-9/_-]+@[0-9a-f]{40}$`)

type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Uses        string
		Permissions map[string]string
		Timeout     int `yaml:"timeout-minutes"`
		Environment string
		Concurrency map[string]any
		Steps       []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

// What a step runs holds no expression, whose value a shell would read; actions
// of others are pinned to commits; a token can do what its job needs.
func TestHardened(t *testing.T) {
	all := sources(t)
	own, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range own {
		if all[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range all {
		var w workflow
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s: the permissions of its jobs are %v if they say nothing else", name, w.Permissions)
		}
		if strings.Contains(string(text), "pull_request_target") {
			t.Errorf("%s: a pull request's code would run with the repository's rights", name)
		}
		for id, j := range w.Jobs {
			if j.Timeout == 0 && j.Uses == "" {
				t.Errorf("%s: the job %s never times out", name, id)
			}
			for _, s := range j.Steps {
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: the job %s has a shell read an expression: %s", name, id, s.Run)
				}
				if s.Uses != "" && !strings.HasPrefix(s.Uses, "./") && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: %s is not pinned to a commit", name, s.Uses)
				}
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
					t.Errorf("%s: the job %s leaves its token in the checkout", name, id)
				}
			}
		}
	}
}

// A scratch build gets nothing that a pull request could take; only what
// publishes waits for people, and is never stopped in the middle.
func TestScratchAndRelease(t *testing.T) {
	texts := sources(t)
	if scratch := string(texts["scratch-build.yml"]); strings.Contains(scratch, "secrets.") || strings.Contains(scratch, ": write") {
		t.Error("a scratch build has secrets or rights to write")
	}
	var release workflow
	if err := yaml.Unmarshal(texts["release.yml"], &release); err != nil {
		t.Fatal(err)
	}
	var write []string
	for id, j := range release.Jobs {
		publishes := slices.ContainsFunc(j.Steps, func(s struct {
			Uses, Run string
			With      map[string]any
		}) bool {
			return strings.HasSuffix(s.Uses, "/oci-push") || strings.HasSuffix(s.Uses, "/ami-register") || strings.HasSuffix(s.Uses, "/mirror-sync")
		})
		if publishes && (j.Environment == "" || j.Concurrency["cancel-in-progress"] != false) {
			t.Errorf("the job %s publishes without asking, or can be stopped", id)
		}
		if j.Permissions["packages"] == "write" || j.Permissions["id-token"] == "write" {
			write = append(write, id)
		}
	}
	if !slices.Equal(write, []string{"publish"}) {
		t.Errorf("the jobs %q can publish", write)
	}
}
