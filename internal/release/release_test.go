package release

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/githubapi"
	"github.com/respin-project/respin/internal/githubfake"
	"github.com/respin-project/respin/internal/githubfake/githubtest"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
)

const token = "ghs_secretOfTheTest"

// packages makes a lock's packages: NAME VERSION pairs.
func packages(pairs ...string) []manifest.Package {
	var all []manifest.Package
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, manifest.Package{Name: pairs[i], Version: pairs[i+1], Release: "1", Arch: "x86_64", Checksum: "sha256:" + strings.Repeat("0a", 32), Installed: 1 << 20})
	}
	return all
}

// image makes a tested image with its lock in a folder.
func image(t testing.TB, name string, list []manifest.Package, change func(*manifest.Manifest)) *Image {
	t.Helper()
	m := &manifest.Manifest{
		Folder: t.TempDir(), Image: manifest.Image{Name: name, Version: "43", Release: "1", Arch: "x86_64"},
		Spec: &manifest.Spec{Path: "specs/" + name},
	}
	l := &lock.Lock{Image: lock.Image{Name: name, Version: "43", Arch: "x86_64"}, Packages: list}
	if err := l.Write(filepath.Join(m.Folder, "lock.x86_64.json")); err != nil {
		t.Fatal(err)
	}
	digest, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	m.Build = &manifest.Build{Engine: "direct", Lock: digest}
	m.Artifacts = []manifest.Artifact{{Path: "lock.x86_64.json", Format: "lock"}, {Path: name + ".qcow2", Format: "qcow2", Size: 400 << 20, SHA256: "11"}}
	m.Tests = []manifest.Test{{Artifact: name + ".qcow2", SHA256: "11", Firmware: "bios", Passed: true}, {Artifact: name + ".qcow2", SHA256: "11", Firmware: "uefi", Passed: true,
		Results: []manifest.Result{{Name: "journal", Severity: "warning", Outcome: "failed"}}}}
	if change != nil {
		change(m)
	}
	i, err := NewImage(m, "specs")
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// A world is a repository with what stands before it.
type world struct {
	*githubfake.Server
	*githubtest.Broken
	url string
}

func newWorld(t testing.TB, files map[string]string) *world {
	t.Helper()
	if files == nil {
		files = map[string]string{"README.md": "specs\n"}
	}
	fake := githubfake.New("owner/repo", token, files)
	broken := &githubtest.Broken{Handler: fake}
	return &world{fake, broken, githubtest.Start(t, broken)}
}

func (w *world) open(t testing.TB, wait time.Duration) *githubapi.Repository {
	t.Helper()
	env := map[string]string{"GITHUB_TOKEN": token, "GITHUB_API_URL": w.url, "GITHUB_REPOSITORY": "owner/repo"}
	r, err := githubapi.Open(func(name string) string { return env[name] }, "", wait, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// propose is one run of the command.
func (w *world) propose(t testing.TB, wait time.Duration, images ...*Image) (*Result, error) {
	t.Helper()
	b, err := NewBatch("", images)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proposal{Repository: w.open(t, wait), Batch: b, Run: "https://github.example/owner/repo/actions/runs/" + time.Now().Format("150405.000")}
	if err := p.Prepare(context.Background()); err != nil {
		return nil, err
	}
	return p.Send(context.Background())
}

func (w *world) must(t testing.TB, want string, images ...*Image) *Result {
	t.Helper()
	result, err := w.propose(t, 10*time.Second, images...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Action != want {
		t.Fatalf("it says %s, want %s", result.Action, want)
	}
	return result
}

func oldLock(t testing.TB, name string, list []manifest.Package) string {
	t.Helper()
	l := &lock.Lock{Image: lock.Image{Name: name, Version: "43", Arch: "x86_64"}, Packages: list}
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// One pull request a batch, whatever happens to it.
func TestLife(t *testing.T) {
	w := newWorld(t, map[string]string{"specs/cloud/lock.x86_64.json": oldLock(t, "cloud", packages("bash", "5.1", "curl", "8.0"))})
	first := image(t, "cloud", packages("bash", "5.2", "curl", "8.0"), nil)
	minimal := image(t, "minimal", packages("bash", "5.2"), nil)

	result := w.must(t, Created, first, minimal)
	if diff := cmp.Diff(&Result{Action: Created, Batch: "images", Number: 1, URL: "https://github.example/owner/repo/pull/1"}, result); diff != "" {
		t.Error(diff)
	}
	pull := w.Pulls()[0]
	if diff := cmp.Diff([]string{Pending}, pull.Labels); diff != "" {
		t.Error(diff)
	}
	if pull.Title != "Respin images: 1 package in 2 images" || pull.Head != "respin/images" || pull.Base != "main" {
		t.Errorf("the pull request is %+v", pull)
	}
	for _, want := range []string{"| `bash.x86_64` | `5.1-1 → 5.2-1`", "`uefi` | passed | `journal` |", "git fetch origin respin/images", "[this run](https://github.example/"} {
		if !strings.Contains(pull.Body, want) {
			t.Errorf("the body lacks %q:\n%s", want, pull.Body)
		}
	}
	files := w.Files("respin/images")
	if files["specs/cloud/lock.x86_64.json"] != string(first.Text) || files["specs/minimal/lock.x86_64.json"] != string(minimal.Text) {
		t.Error("the branch does not have the locks")
	}
	record, err := ParseRecord([]byte(files["releases/images.json"]))
	if err != nil || len(record.Images) != 2 || record.Images[0].Digest != first.Build.Lock {
		t.Errorf("the record is %+v, %v", record, err)
	}
	head := w.Refs()["refs/heads/respin/images"]
	if diff := cmp.Diff([]string{w.Refs()["refs/heads/main"]}, w.Parents(head)); diff != "" {
		t.Error(diff)
	}

	w.must(t, None, minimal, first)
	if w.Refs()["refs/heads/respin/images"] != head {
		t.Error("the branch was moved although nothing changed")
	}
	base := w.Push("main", map[string]string{"README.md": "moved\n"})
	w.must(t, Updated, first, minimal)
	if diff := cmp.Diff([]string{base}, w.Parents(w.Refs()["refs/heads/respin/images"])); diff != "" {
		t.Error(diff)
	}
	newer := image(t, "cloud", packages("bash", "5.3", "curl", "8.1"), nil)
	w.must(t, Updated, newer, minimal)
	if title := w.Pulls()[0].Title; title != "Respin images: 2 packages in 2 images" {
		t.Errorf("the title is %q", title)
	}
	w.Push("respin/images", map[string]string{"evil": "x"})
	w.must(t, Updated, newer, minimal)
	if _, ok := w.Files("respin/images")["evil"]; ok {
		t.Error("the branch has what somebody else put there")
	}
	w.Push("main", map[string]string{newer.Path: string(newer.Text), minimal.Path: string(minimal.Text)})
	w.must(t, Closed, newer, minimal)
	if w.Files("respin/images") != nil || w.Pulls()[0].State != "closed" {
		t.Error("the pull request was not closed")
	}
	w.must(t, None, newer, minimal)
	w.Push("main", map[string]string{newer.Path: "{}"})
	if r := w.must(t, Created, newer, minimal); r.Number != 2 { // what was closed by us was not declined
		t.Errorf("the pull request is #%d", r.Number)
	}
}

// Releases of one spec have a lock each, whether they were planned or only
// rendered, and what an older version rendered is where it was.
func TestReleases(t *testing.T) {
	version := func(v string, change func(*manifest.Manifest)) *Image {
		i := image(t, "cloud", packages("bash", v), nil)
		m := i.Manifest
		m.Image.Version, i.Lock.Image.Version = v, v
		if err := i.Lock.Write(m.Path("lock.x86_64.json")); err != nil {
			t.Fatal(err)
		}
		var err error
		if m.Build.Lock, err = i.Lock.Digest(); err != nil {
			t.Fatal(err)
		}
		change(m)
		if i, err = NewImage(m, "specs"); err != nil {
			t.Fatal(err)
		}
		return i
	}
	planned := version("43", func(m *manifest.Manifest) {
		m.Spec.Lock = "specs/cloud/lock.43.x86_64.json"
		m.Plan = &manifest.Plan{Lock: "specs/cloud/lock.x86_64.json"} // which was there before there was another release
	})
	rendered := version("44", func(m *manifest.Manifest) { m.Spec.Lock = "specs/cloud/lock.44.x86_64.json" })
	older := version("45", func(*manifest.Manifest) {})
	w := newWorld(t, nil)
	w.must(t, Created, planned, rendered)
	files := w.Files("respin/cloud")
	if files["specs/cloud/lock.x86_64.json"] != string(planned.Text) || files["specs/cloud/lock.44.x86_64.json"] != string(rendered.Text) {
		t.Errorf("the branch has %q", slices.Collect(maps.Keys(files)))
	}
	if older.Path != "specs/cloud/lock.x86_64.json" {
		t.Errorf("the lock is %s", older.Path)
	}
	if _, err := NewBatch("", []*Image{planned, older}); err == nil || !strings.Contains(err.Error(), "have the same lock, specs/cloud/lock.x86_64.json") {
		t.Errorf("one lock for two images: %v", err)
	}
}

// What somebody closed is not proposed again; what is newer is.
func TestDeclined(t *testing.T) {
	w := newWorld(t, nil)
	i := image(t, "cloud", packages("bash", "5.2"), nil)
	w.must(t, Created, i)
	w.Close(1)
	if r := w.must(t, None, i); r.Number != 1 {
		t.Errorf("it names #%d", r.Number)
	}
	w.must(t, Created, image(t, "cloud", packages("bash", "5.3"), nil))
}

// A fork's branch of the same name is nobody's release.
func TestFork(t *testing.T) {
	w := newWorld(t, nil)
	w.Open(githubfake.Pull{Title: "x", Head: "respin/cloud", Base: "main", Fork: "evil/repo"})
	i := image(t, "cloud", packages("bash", "5.2"), nil)
	if r := w.must(t, Created, i); r.Number != 2 {
		t.Errorf("it took #%d", r.Number)
	}
	if _, err := Tag(context.Background(), w.open(t, 0), 1); err == nil || !strings.Contains(err.Error(), "no release of this repository") {
		t.Errorf("the fork's pull request was tagged: %v", err)
	}
}

func TestTag(t *testing.T) {
	w := newWorld(t, nil)
	w.must(t, Created, image(t, "cloud", packages("bash", "5.2"), nil))
	r, ctx := w.open(t, time.Second), context.Background()
	if _, err := Tag(ctx, r, 1); err == nil || err.Error() != "the pull request #1 is not merged" {
		t.Errorf("what is not merged was tagged: %v", err)
	}
	merge := w.Merge(1)
	if _, err := MarkPublished(ctx, r, 1); err == nil || err.Error() != "the pull request #1 is not tagged" {
		t.Errorf("what is not tagged was published: %v", err)
	}
	w.Break(githubtest.Fault{Method: "POST", Path: "git/refs", Times: 1, Done: true})
	want := &Result{Action: Tagging, Batch: "cloud", Number: 1, URL: "https://github.example/owner/repo/pull/1", Tag: "release/cloud/20261122.1", Commit: merge}
	for _, action := range []string{Tagging, None} {
		want.Action = action
		got, err := Tag(ctx, r, 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if at := w.Refs()["refs/tags/release/cloud/20261122.1"]; at != merge {
			t.Errorf("the tag names %s", at)
		}
		if diff := cmp.Diff([]string{Tagged}, w.Pulls()[0].Labels); diff != "" {
			t.Error(diff)
		}
	}
	for _, action := range []string{Publishing, None} {
		got, err := MarkPublished(ctx, r, 1)
		if err != nil || got.Action != action {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := Tag(ctx, r, 1); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{Published}, w.Pulls()[0].Labels); diff != "" {
		t.Error(diff)
	}
}
