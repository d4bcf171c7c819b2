package release

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/githubfake"
	"github.com/respin-project/respin/internal/hint"
)

// mergedWorld makes a world with one merged pull request, tagged already if it is to be published.
func mergedWorld(t testing.TB, i *Image, publish, validated bool) *world {
	t.Helper()
	w := newWorld(t, nil)
	if !validated { // which takes most of the time
		plain := httptest.NewServer(w.Broken)
		t.Cleanup(plain.Close)
		w.url = plain.URL
	}
	w.must(t, Created, i)
	w.Merge(1)
	if publish {
		if _, err := Tag(t.Context(), w.open(t, time.Second), 1); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// advanced is one run after the merge.
func (w *world) advanced(t testing.TB, wait time.Duration, publish bool) (*Result, error) {
	if publish {
		return MarkPublished(t.Context(), w.open(t, wait), 1)
	}
	return Tag(t.Context(), w.open(t, wait), 1)
}

// holdsRelease checks that there is one pull request, one tag, on its merge, and one label.
func (w *world) holdsRelease(t testing.TB, publish bool) {
	t.Helper()
	pulls := w.Pulls()
	if len(pulls) != 1 {
		t.Fatalf("there are %d pull requests", len(pulls))
	}
	want := Tagged
	if publish {
		want = Published
	}
	if !slices.Equal(pulls[0].Labels, []string{want}) || pulls[0].State != "closed" {
		t.Errorf("the pull request is %s with the labels %q, want %q", pulls[0].State, pulls[0].Labels, want)
	}
	tags := w.Refs()
	maps.DeleteFunc(tags, func(name, _ string) bool { return !strings.HasPrefix(name, "refs/tags/") })
	if len(tags) != 1 || tags["refs/tags/release/cloud/20261122.1"] != pulls[0].Merge {
		t.Errorf("the tags are %v, the merge is %s", tags, pulls[0].Merge)
	}
}

// Whatever fails after the merge, at whatever point, once or for good: there is
// an error with a hint or a success, never a wrong one, never the token, and
// after another run one tag and one label.
func TestFaultsAfterMerge(t *testing.T) {
	i := image(t, "cloud", packages("bash", "5.2"), nil)
	for _, publish := range []bool{false, true} {
		stage := map[bool]string{false: "tag", true: "publish"}[publish]
		clean := mergedWorld(t, i, publish, true)
		before := len(clean.Requests())
		if _, err := clean.advanced(t, 0, publish); err != nil {
			t.Fatal(err)
		}
		clean.holdsRelease(t, publish)
		var points []string
		for _, request := range clean.Requests()[before:] {
			points = append(points, strings.Replace(request, "/repos/owner/repo/", "", 1))
		}
		if len(points) < 3 { // the pull request, a label, another label
			t.Fatalf("there are only the points %q", points)
		}
		trial{
			setUp: func(t *testing.T, once bool) *world { return mergedWorld(t, i, publish, once) },
			act: func(t *testing.T, w *world, wait time.Duration) error {
				_, err := w.advanced(t, wait, publish)
				return err
			},
			after: func(t *testing.T, w *world, err error) {
				if err == nil {
					w.holdsRelease(t, publish)
				}
				if n := len(w.Pulls()); n != 1 {
					t.Fatalf("there are %d pull requests", n)
				}
				w.heal()
				result, err := w.advanced(t, 0, publish)
				if err != nil {
					t.Fatal(err)
				}
				if result.Number != 1 || result.Tag != "release/cloud/20261122.1" || result.Commit != w.Pulls()[0].Merge {
					t.Errorf("it says %+v", result)
				}
				w.holdsRelease(t, publish)
			},
		}.run(t, stage, points)
	}
}

// Runs at the same time make one tag, and what is proposed at that time is
// another pull request, not this one.
func TestConcurrentAfterMerge(t *testing.T) {
	w := mergedWorld(t, image(t, "cloud", packages("bash", "5.2"), nil), false, true)
	for _, publish := range []bool{false, true} {
		var runs sync.WaitGroup
		for range 8 {
			runs.Go(func() {
				if _, err := w.advanced(t, 5*time.Second, publish); err != nil {
					t.Error(err)
				}
			})
		}
		runs.Wait()
		w.holdsRelease(t, publish)
	}
	if r := w.must(t, Created, image(t, "cloud", packages("bash", "5.3"), nil)); r.Number != 2 {
		t.Errorf("the next release is #%d", r.Number)
	}
}

// A tag that somebody moved, and a pull request that is closed without a merge, are refused.
func TestRefusedAfterMerge(t *testing.T) {
	w := newWorld(t, nil)
	w.must(t, Created, image(t, "cloud", packages("bash", "5.2"), nil))
	w.Close(1)
	for _, publish := range []bool{false, true} {
		if _, err := w.advanced(t, 0, publish); err == nil || err.Error() != "the pull request #1 is not merged" {
			t.Errorf("%v", err)
		}
	}
	w.Open(githubfake.Pull{Title: "x", Head: "feature", Base: "main"})
	if _, err := Tag(t.Context(), w.open(t, 0), 2); err == nil || !strings.Contains(err.Error(), `it comes from "owner:feature"`) {
		t.Errorf("%v", err)
	}
	w = mergedWorld(t, image(t, "cloud", packages("bash", "5.2"), nil), false, true)
	r := w.open(t, 0)
	if err := tag(t.Context(), r, "release/cloud/20261122.1", w.Push("main", map[string]string{"README.md": "moved\n"})); err != nil {
		t.Fatal(err)
	}
	_, err := Tag(t.Context(), r, 1)
	if err == nil || !strings.Contains(err.Error(), `the tag "release/cloud/20261122.1" names `) || len(hint.Of(err)) != 1 {
		t.Errorf("%v", err)
	}
	if labels := w.Pulls()[0].Labels; !slices.Equal(labels, []string{Pending}) {
		t.Errorf("the labels are %q", labels)
	}
}
