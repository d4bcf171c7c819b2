package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/githubfake"
	"github.com/respin-project/respin/internal/githubfake/githubtest"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"release-pr": main})
}

func TestDocumented(t *testing.T) {
	if missing := cli.Undocumented(doc, new(options).define); len(missing) > 0 {
		t.Errorf("flags that doc.go does not mention: %q", missing)
	}
}

const token = "ghs_secretOfTheScripts"

// A world is the GitHub of one script.
type world struct {
	*githubfake.Server
	*githubtest.Broken
}

type worldKey struct{}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			fake := githubfake.New("owner/repo", token, map[string]string{"README.md": "specs\n"})
			w := &world{fake, &githubtest.Broken{Handler: fake}}
			env.Values[worldKey{}] = w
			env.Setenv("GITHUB_API_URL", githubtest.Start(t, w.Broken))
			env.Setenv("GITHUB_REPOSITORY", "owner/repo")
			env.Setenv("GITHUB_TOKEN", token)
			for _, name := range []string{"GH_TOKEN", "GITHUB_OUTPUT", "GITHUB_RUN_ID", "GITHUB_SERVER_URL"} {
				env.Setenv(name, "")
			}
			return clitest.Setup(env)
		},
		Cmds: clitest.With(map[string]func(*testscript.TestScript, bool, []string){
			"image": image, "break": breaks, "push": push, "merge": merge, "pulls": pulls, "lacks": lacks,
		}),
	})
}

// image NAME VERSION [SPEC] makes an image with its lock, tested, and adds its manifest to NAME.json.
func image(ts *testscript.TestScript, _ bool, args []string) {
	name, version, spec := args[0], args[1], "specs/"+args[0]
	if len(args) > 2 {
		var err error
		spec, err = strconv.Unquote(`"` + args[2] + `"`)
		ts.Check(err)
	}
	m := &manifest.Manifest{Folder: ts.MkAbs(name + "-" + version), Image: manifest.Image{Name: name, Version: "43", Release: "1", Arch: "x86_64"}}
	ts.Check(os.MkdirAll(m.Folder, 0o755))
	evil := "evil`|$(touch x)\n::set-output name=x::y\n##[error]@everyone <b>[l](http://x) ../../x"
	l := &lock.Lock{Image: lock.Image{Name: name, Version: "43", Arch: "x86_64"}, Packages: []manifest.Package{
		{Name: "bash", Version: version, Release: "1", Arch: "x86_64", Checksum: "sha256:" + strings.Repeat("0a", 32)},
		{Name: evil, Version: evil, Release: "1", Arch: "x86_64", Checksum: "sha256:" + strings.Repeat("0a", 32)},
	}}
	ts.Check(l.Write(filepath.Join(m.Folder, "lock.x86_64.json")))
	digest, err := l.Digest()
	ts.Check(err)
	m.Spec, m.Build = &manifest.Spec{Path: spec}, &manifest.Build{Lock: digest}
	m.Plan = &manifest.Plan{Packages: []manifest.PackageChange{{Name: "bash", Arch: "x86_64", New: version + "-1", Advisories: []string{"FEDORA-2026-1"}}},
		Advisories: []manifest.Advisory{{ID: "FEDORA-2026-1", Type: "security", Severity: "Critical", Title: evil, CVEs: []string{"CVE-2026-12345", evil}}}}
	m.Artifacts = []manifest.Artifact{{Path: "lock.x86_64.json", Format: "lock"}, {Path: "disk.qcow2", Format: "qcow2", Size: 1000, SHA256: "11"}}
	m.Tests = []manifest.Test{{Artifact: "disk.qcow2", SHA256: "11", Firmware: "bios", Passed: true, Results: []manifest.Result{{Name: evil, Outcome: "failed"}}}}
	text, err := json.Marshal(m)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(name+".json"), text, 0o644))
}

// break STATUS METHOD PATH [TIMES] makes requests fail; the status 0 breaks connections.
func breaks(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	f := githubtest.Fault{Status: status, Method: args[1], Path: args[2], Times: -1, Message: "no, " + token + "\n::error::x"}
	if len(args) > 3 {
		f.Times, err = strconv.Atoi(args[3])
		ts.Check(err)
	}
	ts.Value(worldKey{}).(*world).Break(f)
}

// push PATH FILE puts a file on the branch main.
func push(ts *testscript.TestScript, _ bool, args []string) {
	ts.Value(worldKey{}).(*world).Push("main", map[string]string{args[0]: ts.ReadFile(args[1])})
}

func merge(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Value(worldKey{}).(*world).Merge(n)
}

// pulls writes the pull requests to standard output: a line each, then the last one's body and files.
func pulls(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value(worldKey{}).(*world)
	var b strings.Builder
	for _, p := range w.Pulls() {
		fmt.Fprintf(&b, "#%d %s %q %s -> %s %q\n", p.Number, p.State, p.Title, p.Head, p.Base, p.Labels)
	}
	if all := w.Pulls(); len(all) > 0 {
		b.WriteString(all[len(all)-1].Body)
		for path := range w.Files(all[len(all)-1].Head) {
			fmt.Fprintf(&b, "\nfile %s\n", path)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs("pulls"), []byte(b.String()), 0o644))
}

// lacks TEXT FILE... fails if a file holds a text.
func lacks(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args[1:] {
		if strings.Contains(ts.ReadFile(file), args[0]) {
			ts.Fatalf("%s has %q", file, args[0])
		}
	}
}
