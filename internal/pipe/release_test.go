package pipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/respin-project/respin/internal/fixture"
	"github.com/respin-project/respin/internal/githubfake"
	"github.com/respin-project/respin/internal/lock"
)

// twoReleases is a spec of two releases, which the fixture stands for.
const twoReleases = `name: tiny
arches: [x86_64]
releases:
  - {version: "43", syntax: F43}
  - {version: "44", syntax: F44}
`

// Both releases of one spec are planned, updated, built from the new locks and
// proposed together; the merge is what is then planned with.
func TestTwoReleases(t *testing.T) {
	d := fixture.Find(t, "tiny")
	ks, err := os.ReadFile("../fixture/specs/tiny/tiny.ks")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	t.Chdir(work)
	for file, text := range map[string]string{"image.yaml": twoReleases, "tiny.ks": string(ks)} {
		path := filepath.Join("specs/tiny", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	locks := []string{"specs/tiny/lock.43.x86_64.json", "specs/tiny/lock.44.x86_64.json"}
	fake := githubfake.New("owner/repo", "token", map[string]string{"README.md": "specs\n"})
	server := httptest.NewServer(fake)
	defer server.Close()
	for name, value := range map[string]string{"GITHUB_TOKEN": "token", "GITHUB_API_URL": server.URL, "GITHUB_REPOSITORY": "owner/repo", "GITHUB_OUTPUT": ""} {
		t.Setenv(name, value)
	}
	// round plans, builds and proposes, merges that, and takes the locks that it brings.
	round := func(number int, repo, update string, planned ...string) map[string]string {
		t.Helper()
		build := []string{"--output", filepath.Join(work, "out"), "--key", d.Key(), "--repo", "url=" + repo}
		for _, l := range planned {
			build = append(build, "--locked", l)
		}
		args := []string{"--repo", "url=" + repo}
		if update != "" {
			args = append(args, update)
		}
		due := command(t, 0, nil, "img-plan", args...)
		if n := bytes.Count(due, []byte("\n")); n != 2 {
			t.Fatalf("%d images are due", n)
		}
		var result struct {
			Action string
			Number int
		}
		out := command(t, 0, command(t, 0, due, "img-build", build...), "release-pr", "--allow-untested")
		if err := json.Unmarshal(out, &result); err != nil || result.Action != "created" || result.Number != number {
			t.Fatalf("%s, %v", out, err)
		}
		fake.Merge(number)
		files := fake.Files("main")
		for _, l := range locks {
			if files[l] == "" {
				t.Fatalf("the merge has no %s", l)
			}
			if err := os.WriteFile(l, []byte(files[l]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		command(t, 3, nil, "img-plan", "--repo", "url="+repo)
		return files
	}
	round(1, d.Repo(), "")
	newer := filepath.Join(t.TempDir(), "newer")
	command(t, 0, nil, "mkfixture", "publish", "--from", d.Folder, "--to", newer, "--package", "busybox")
	updated := round(2, "file://"+newer+"/repo", "--update", locks...)
	for i, version := range []string{"43", "44"} {
		l, err := lock.Parse([]byte(updated[locks[i]]))
		if err != nil || l.Image != (lock.Image{Name: "tiny", Version: version, Arch: "x86_64"}) {
			t.Errorf("%s is for %+v, %v", locks[i], l.Image, err)
		}
		// The same locks give the same bits, also to who has only rendered.
		out := command(t, 0, command(t, 0, nil, "ks-render", "--release", version, "specs/tiny"), "img-build",
			"--output", filepath.Join(work, "again"), "--key", d.Key(), "--repo", "url=file://"+newer+"/repo", "--locked", locks[i])
		name := "tiny-" + version + "-0.x86_64"
		if len(out) == 0 || !same(t, filepath.Join(work, "out", name, name+".raw"), filepath.Join(work, "again", name, name+".raw")) {
			t.Errorf("%s: the disk is another one", version)
		}
	}
}

// same compares two files, which are as large as disks.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	out, err := exec.Command("cmp", a, b).CombinedOutput()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() == 1 {
		t.Logf("%s", out)
		return false
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return true
}
