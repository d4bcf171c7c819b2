package workflow

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/ec2fake/ec2test"
	"github.com/respin-project/respin/internal/fixture"
	"github.com/respin-project/respin/internal/githubfake"
	"github.com/respin-project/respin/internal/githubfake/githubtest"
	"github.com/respin-project/respin/internal/mirror/mirrortest"
	"github.com/respin-project/respin/internal/registry/registrytest"
)

// callers are the workflows of somebody who uses respin's.
var callers = map[string]string{
	"scratch.yml": `name: scratch
on: pull_request
permissions: {contents: read}
jobs:
  scratch-build:
    uses: respin-project/respin/.github/workflows/scratch-build.yml@main
    with:
      repo: url=${{ vars.REPO }}
`,
	"watch.yml": `name: watch
on: {schedule: [{cron: "17 5 * * *"}]}
permissions: {contents: write, pull-requests: write, issues: write}
jobs:
  package-watch:
    uses: respin-project/respin/.github/workflows/package-watch.yml@main
    with:
      repo: url=${{ vars.REPO }}
      batch: packages
`,
	"release.yml": `name: release
on: {pull_request: {types: [closed]}}
permissions: {contents: write, pull-requests: write, issues: write, packages: write, id-token: write}
jobs:
  release:
    uses: respin-project/respin/.github/workflows/release.yml@main
    with:
      repo: url=${{ vars.REPO }}
      formats: qcow2,containerdisk
      regions: us-east-1
      registry: ${{ vars.REGISTRY }}
      mirror: ${{ vars.MIRROR }}
    secrets: inherit
`,
}

// A site is somebody's repository of images, one and two, and where they are published.
type site struct {
	*testing.T
	*GitHub      // whose Run runs workflows, not subtests
	distribution fixture.Distribution
	output, bin  string
	ec2          *ec2fake.Server
	registry     string // host and port
	mirror       string // folder
}

// TestScratch: of a pull request, just the images that it changes are built and booted.
func TestScratch(t *testing.T) {
	s := open(t)

	// What nobody can want to become a command, an output or an annotation.
	const hostile = "$(touch owned) `touch owned` \"'; ::error::gotcha\n::set-output name=due::no\n\"; touch owned #"
	files := s.Files("main")
	files["specs/one/one.ks"] = changed(files["specs/one/one.ks"], hostile)
	scratch := s.run(s.PullRequest("change", files), "scratch.yml")[0]
	s.built(scratch, "scratch-", "one")
	for _, c := range scratch.Commands {
		if strings.Contains(c, "gotcha") {
			t.Errorf("the kickstart has said %q", c)
		}
	}

	// One that does not boot fails, and leaves what tells why.
	broken := s.Files("main")
	broken["specs/two/two.ks"] += "\n%post\nrm -f /sbin/init /usr/sbin/init\n%end\n"
	runs, err := s.GitHub.Run(s.Context(), s.PullRequest("broken", broken))
	if err != nil || len(runs) != 1 || runs[0].Passed {
		t.Fatalf("an image that does not boot passes: %+v, %v", runs, err)
	}
	s.built(runs[0], "failure-", "two")
	bundle := filepath.Join(runs[0].Output, "artifacts/failure-two-43-0.x86_64/two-43-0.x86_64/logs/smoke-bios")
	if console := s.read(filepath.Join(bundle, "console.log")); console == "" {
		t.Error("the console is empty")
	}
	if said := strings.Join(runs[0].Summaries, "\n"); !strings.Contains(said, "no&#45;init") {
		t.Errorf("the summary does not name the cause:\n%s", said)
	}

	// Another pull request that concerns no image builds none.
	readme := s.Files("main")
	readme["README.md"] = "The images of an example.\n"
	s.built(s.run(s.PullRequest("readme", readme), "scratch.yml")[0], "scratch-")
}

// changed is the kickstart of an image with another message for those who log in.
func changed(kickstart, message string) string {
	return strings.Replace(kickstart, "echo \"made by respin\" > /etc/motd", "cat > /etc/motd <<'EOF'\nmade by respin\n"+message+"\nEOF", 1)
}

// TestRelease follows two images from changes to what users get: of a changed
// line of a kickstart and, separately, of a newer package comes just the image
// that it concerns.
func TestRelease(t *testing.T) {
	s := open(t)
	s.publish()
	defer func() {
		for _, v := range s.ec2.Violations() {
			t.Error(v)
		}
	}()

	// No release: merging it publishes nothing, but the next look proposes it.
	files := s.Files("main")
	files["specs/one/one.ks"] = changed(files["specs/one/one.ks"], "Hello.")
	s.Branch("change", "main", files)
	s.run(s.MergePull(s.GitHub.Open(githubfake.Pull{Title: "change", Head: "change", Base: "main"})), "release.yml")
	s.release(2, "one")
	s.published("one")
	if testing.Short() {
		t.Log("SKIP: what follows takes a minute more, and -short is given: scripts/test --slow runs it")
		return
	}

	newer := filepath.Join(t.TempDir(), "newer")
	s.command("mkfixture", "publish", "--from", s.distribution.Folder, "--to", newer, "--package", "dmidecode",
		"--advisory", "FIXTURE-2026-1", "--type", "security", "--severity", "Important", "--cve", "CVE-2026-1")
	s.Vars[0] = "REPO=file://" + newer + "/repo"
	s.release(3, "two")
	s.published("one", "two")
	if body := s.Pulls()[2].Body; !strings.Contains(body, "CVE-2026-1") || !strings.Contains(body, "dmidecode") {
		t.Errorf("the pull request does not tell of the update:\n%s", body)
	}

	// Then everything is as it should be.
	s.built(s.run(s.Main("schedule", ""), "watch.yml")[0], "tested-")
	if n := len(s.Pulls()); n != 3 {
		t.Errorf("there are %d pull requests", n)
	}
}

// TestRespin: what is not due for its age waits, unless an advisory is grave
// enough; then it gets what advisories name, and nothing else.
func TestRespin(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: takes a minute more, and -short is given: scripts/test --slow runs it")
	}
	s := open(t)
	files := s.Files("main")
	for _, name := range []string{"respin.yml", "package-watch.yml"} { // as whoever copies them
		files[".github/workflows/"+name] = s.read("../../workflows/" + name)
	}
	delete(files, ".github/workflows/watch.yml")
	files[".github/workflows/nightly.yml"] = `name: nightly
on: {schedule: [{cron: "43 4 * * *"}]}
permissions: {contents: write, pull-requests: write, issues: write}
jobs:
  respin:
    uses: ./.github/workflows/respin.yml
    with:
      repo: url=${{ vars.REPO }}
      age: 36500d
`
	s.Branch("main", "main", files)
	s.built(s.run(s.Main("schedule", ""), "nightly.yml")[0], "tested-")

	important, critical := filepath.Join(t.TempDir(), "important"), filepath.Join(t.TempDir(), "critical")
	s.command("mkfixture", "publish", "--from", s.distribution.Folder, "--to", important, "--package", "busybox",
		"--advisory", "FIXTURE-2026-1", "--type", "security", "--severity", "Important")
	s.Vars[0] = "REPO=file://" + important + "/repo"
	s.built(s.run(s.Main("schedule", ""), "nightly.yml")[0], "tested-")
	s.command("mkfixture", "publish", "--from", s.distribution.Folder, "--to", critical, "--package", "dmidecode",
		"--advisory", "FIXTURE-2026-2", "--type", "security", "--severity", "Critical")
	s.Vars[0] = "REPO=file://" + critical + "/repo"
	s.built(s.run(s.Main("schedule", ""), "nightly.yml")[0], "tested-", "two")
	pulls := s.Pulls()
	if len(pulls) != 1 || pulls[0].Head != "respin/security" || !strings.Contains(pulls[0].Title, "1 package in 1 image, 1 security advisory (critical)") {
		t.Errorf("pull requests: %+v", pulls)
	}
}

func open(t *testing.T) *site {
	if os.Getenv("RESPIN_PIPE") == "" {
		t.Skip("SKIP: it builds and boots images, and scripts/test --workflows sets RESPIN_PIPE for that")
	}
	t.Parallel()
	s := &site{T: t, distribution: fixture.Find(t, "tiny"), output: t.TempDir()}
	s.bin = filepath.Join(s.output, "bin")
	setup := exec.Command("../../scripts/action-setup")
	setup.Env = append(os.Environ(), "RESPIN_ACTION_BIN="+s.bin, "GITHUB_PATH=/dev/null", "GITHUB_OUTPUT=/dev/null")
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command("go", "build", "-o", s.bin, "../fixture/mkfixture").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var err error
	s.GitHub, err = Open(t.Context(), "owner/images", "../..", s.output, s.specs(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.GitHub.Close() })
	s.API = githubtest.Start(t, s.GitHub)
	s.Env = []string{"RESPIN_ACTION_BIN=" + s.bin}
	s.Vars = []string{"REPO=" + s.distribution.Repo()}
	return s
}

// publish starts what images are published to.
func (s *site) publish() {
	s.registry, s.mirror = registrytest.Start(s.T, s.TempDir()), s.TempDir()
	s.Vars = append(s.Vars, "REGISTRY="+s.registry+"/images", "MIRROR=rsync://"+mirrortest.Rsync(s.T, s.mirror)+"/pub/images")
	var environment map[string]string
	s.ec2, environment = ec2test.Serve(s.T, ec2fake.Options{})
	for name, value := range environment {
		s.Env = append(s.Env, name+"="+value)
	}
}

// specs are the files of the repository: two images with their locks, and the workflows.
func (s *site) specs() map[string]string {
	files := map[string]string{"README.md": "images\n", "specs/key.asc": s.read(s.distribution.Key())}
	for name, text := range callers {
		files[".github/workflows/"+name] = text
	}
	folder := s.TempDir()
	for _, name := range []string{"one", "two"} {
		spec := strings.Replace(s.read("../fixture/specs/tiny/image.yaml"), "name: tiny", "name: "+name, 1)
		spec = strings.Replace(spec, "firmware: [bios, uefi]", "firmware: [bios]", 1)
		ks := s.read("../fixture/specs/tiny/tiny.ks")
		if name == "two" {
			ks = strings.Replace(ks, "@core\n", "@core\ndmidecode\n", 1)
		}
		files["specs/"+name+"/image.yaml"] = spec + "keys:\n  - file: ../key.asc\n    fingerprint: " + s.distribution.Fingerprint + "\n"
		files["specs/"+name+"/"+name+".ks"] = ks
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, path)), 0o755); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, path), []byte(text), 0o644); err != nil {
			s.Fatal(err)
		}
	}
	build := exec.Command("sh", "-c", `set -e; ks-render specs/one specs/two > specs.json; img-build --repo url="$1" < specs.json > built.json`, "sh", s.distribution.Repo())
	build.Dir, build.Env = folder, append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"))
	if out, err := build.CombinedOutput(); err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"one", "two"} {
		files["specs/"+name+"/lock.x86_64.json"] = s.read(filepath.Join(folder, "out", name+"-43-0.x86_64", "lock.x86_64.json"))
	}
	return files
}

func (s *site) read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func (s *site) command(name string, args ...string) {
	if out, err := exec.Command(filepath.Join(s.bin, name), args...).CombinedOutput(); err != nil {
		s.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// run runs what an event starts, which must be these workflows, and pass.
func (s *site) run(e Event, want ...string) []*Run {
	s.Helper()
	runs, err := s.GitHub.Run(s.Context(), e)
	if err != nil {
		s.Fatal(err)
	}
	var got []string
	for _, r := range runs {
		got = append(got, r.Workflow)
		if !r.Passed {
			s.Fatalf("%s failed", r.Workflow)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		s.Fatalf("workflows wanted (-) and run (+):\n%s", d)
	}
	return runs
}

// built checks which images came out of a run, by its artifacts.
func (s *site) built(r *Run, prefix string, images ...string) {
	s.Helper()
	folders, err := filepath.Glob(filepath.Join(r.Output, "artifacts", "*"))
	if err != nil {
		s.Fatal(err)
	}
	var want, got []string
	if len(images) > 0 {
		want = append(want, "plan")
	}
	for _, name := range images {
		want = append(want, prefix+name+"-43-0.x86_64")
	}
	for _, f := range folders {
		got = append(got, filepath.Base(f))
	}
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		s.Errorf("artifacts of %s wanted (-) and there (+):\n%s", r.Workflow, d)
	}
}

// release lets the repositories be looked at, which opens that pull request for
// that image, and merges it.
func (s *site) release(number int, image string) {
	s.Helper()
	s.built(s.run(s.Main("schedule", ""), "watch.yml")[0], "tested-", image)
	pulls := s.Pulls()
	if len(pulls) != number || pulls[number-1].Head != "respin/packages" || !slices.Equal(pulls[number-1].Labels, []string{"release: pending"}) {
		s.Fatalf("pull requests: %+v", pulls)
	}
	s.run(s.MergePull(number), "release.yml")
	if labels := s.Pulls()[number-1].Labels; !slices.Equal(labels, []string{"release: published"}) {
		s.Errorf("the pull request has the labels %q", labels)
	}
	tagged := slices.ContainsFunc(slices.Collect(maps.Keys(s.Refs())), func(ref string) bool {
		return strings.HasPrefix(ref, "refs/tags/release/packages/") && strings.HasSuffix(ref, fmt.Sprintf(".%d", number))
	})
	if !tagged {
		s.Errorf("there is no tag of #%d: %v", number, s.Refs())
	}
}

// published checks that the registry, the mirror and EC2 have these images, and no others.
func (s *site) published(images ...string) {
	s.Helper()
	if n := s.ec2.Count("RegisterImage"); n != len(images) {
		s.Errorf("EC2 has registered %d images", n)
	}
	answer, err := http.Get("http://" + s.registry + "/v2/_catalog")
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	catalogue, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	var repositories, disks []string
	for _, name := range images {
		repositories = append(repositories, `"images/`+name+`"`)
		disks = append(disks, name+"-43-0.x86_64.qcow2")
	}
	if want := `{"repositories":[` + strings.Join(repositories, ",") + "]}\n"; string(catalogue) != want {
		s.Errorf("the registry has %s", catalogue)
	}
	folder := filepath.Join(s.mirror, "images/releases/43/Cloud/x86_64/images")
	found, err := filepath.Glob(filepath.Join(folder, "*.qcow2"))
	if err != nil {
		s.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	if d := cmp.Diff(disks, found); d != "" {
		s.Errorf("disks wanted on the mirror (-) and there (+):\n%s", d)
	}
	sums := s.read(filepath.Join(folder, "Cloud-43-x86_64-CHECKSUM"))
	for _, d := range disks {
		if !strings.Contains(sums, d) {
			s.Errorf("the CHECKSUM file lacks %s:\n%s", d, sums)
		}
	}
}
