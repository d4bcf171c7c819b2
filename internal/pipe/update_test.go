package pipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/respin-project/respin/internal/diff"
	"github.com/respin-project/respin/internal/fixture"
	"github.com/respin-project/respin/internal/manifest"
)

// command runs one command, which must end with that exit code, and returns what it prints.
func command(t *testing.T, exit int, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	out, _ := executed(t, exit, stdin, name, args...)
	return out
}

// complaints is command that returns what it prints on standard error.
func complaints(t *testing.T, exit int, stdin []byte, name string, args ...string) string {
	t.Helper()
	_, said := executed(t, exit, stdin, name, args...)
	return said
}

func executed(t *testing.T, exit int, stdin []byte, name string, args ...string) ([]byte, string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	code := 0
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		code = failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if code != exit {
		t.Fatalf("%s %q: exit code %d instead of %d\n%s", name, args, code, exit, &said)
	}
	return out, said.String()
}

// A security advisory appears: the image is due for it, the new lock has the one
// package that it names, and the image built from that lock differs by it alone.
func TestSecurityUpdate(t *testing.T) {
	d := fixture.Find(t, "tiny")
	spec := filepath.Join(t.TempDir(), "tiny")
	if err := os.CopyFS(spec, os.DirFS("../fixture/specs/tiny")); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(spec, "lock.x86_64.json")
	plan := func(exit int, repo string, args ...string) (m manifest.Manifest) {
		t.Helper()
		out := command(t, exit, nil, "img-plan", append(args, "--repo", "url="+repo, spec)...)
		if exit == 0 {
			if err := json.Unmarshal(out, &m); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	// build returns the image's folder.
	build := func(repo string, args ...string) string {
		t.Helper()
		output := t.TempDir()
		args = append([]string{"--output", output, "--key", d.Key(), "--repo", "url=" + repo}, args...)
		command(t, 0, command(t, 0, nil, "ks-render", spec), "img-build", args...)
		return filepath.Join(output, "tiny-43-0.x86_64")
	}

	if m := plan(0, d.Repo()); !slices.Equal(m.Plan.Reasons, []string{"lock"}) {
		t.Errorf("an image without a lock is due for %q", m.Plan.Reasons)
	}
	old := build(d.Repo())
	text, err := os.ReadFile(filepath.Join(old, "lock.x86_64.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, text, 0o644); err != nil {
		t.Fatal(err)
	}
	plan(3, d.Repo())

	newer := filepath.Join(t.TempDir(), "newer")
	command(t, 0, nil, "mkfixture", "publish", "--from", d.Folder, "--to", newer, "--package", "busybox",
		"--advisory", "FIXTURE-2026-1", "--type", "security", "--severity", "Critical")
	repo := "file://" + newer + "/repo"
	if m := plan(0, repo, "--update", "--security"); len(m.Plan.Advisories) != 1 || m.Plan.Advisories[0].ID != "FIXTURE-2026-1" {
		t.Errorf("it is due for %+v", m.Plan)
	}
	plan(3, repo)

	var report diff.Report
	out := command(t, 0, nil, "img-diff", "--format", "json", "--repo", repo, old, build(repo, "--locked", lock))
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Packages) != 1 || report.Packages[0].Name != "busybox" || !slices.Equal(report.Packages[0].Advisories, []string{"FIXTURE-2026-1"}) {
		t.Errorf("the images differ by %+v", report.Packages)
	}
}
