package release

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/githubapi"
	"github.com/respin-project/respin/internal/githubfake/githubtest"
	"github.com/respin-project/respin/internal/hint"
)

// kinds are what can go wrong with a request. Those that pass are tried again.
var kinds = []struct {
	name   string
	passes bool
	fault  githubtest.Fault
}{
	{"401", false, githubtest.Fault{Status: 401, Message: "Bad credentials for " + token}},
	{"403", false, githubtest.Fault{Status: 403, Message: "Resource not accessible by integration"}},
	{"403 limit", true, githubtest.Fault{Status: 403, Message: "API rate limit exceeded", Header: githubtest.RateLimit(-time.Minute)}},
	{"403 limit for long", false, githubtest.Fault{Status: 403, Message: "API rate limit exceeded", Header: githubtest.RateLimit(time.Hour)}},
	{"403 secondary limit", true, githubtest.Fault{Status: 403, Message: "You have exceeded a secondary rate limit", Header: map[string]string{"Retry-After": "0"}}},
	{"403 abuse", false, githubtest.Fault{Status: 403, Message: "You have triggered an abuse detection mechanism"}},
	{"429", true, githubtest.Fault{Status: 429, Message: "Too many requests", Header: map[string]string{"Retry-After": "0"}}},
	{"404", false, githubtest.Fault{Status: 404, Message: "Not Found"}},
	{"409", false, githubtest.Fault{Status: 409, Message: "Git Repository is empty."}},
	{"422", false, githubtest.Fault{Status: 422, Message: "Validation Failed"}},
	{"500", true, githubtest.Fault{Status: 500, Message: "oops"}},
	{"502 and done", true, githubtest.Fault{Status: 502, Message: "Server Error", Done: true}},
	{"503", true, githubtest.Fault{Status: 503, Message: "Unavailable"}},
	{"broken before", true, githubtest.Fault{}},
	{"broken after", true, githubtest.Fault{Done: true}},
}

// Whatever fails, at whatever point, once or for good: there is an error with
// a hint or a success, never the token, and never a second pull request.
func TestFaults(t *testing.T) {
	first, second := image(t, "cloud", packages("bash", "5.1"), nil), image(t, "cloud", packages("bash", "5.2"), nil)
	for _, stage := range []string{"create", "update", "close"} {
		// The points are the requests of a run without faults.
		setUp := func(t testing.TB, validated bool) *world {
			w := newWorld(t, nil)
			if !validated { // which takes most of the time
				plain := httptest.NewServer(w.Broken)
				t.Cleanup(plain.Close)
				w.url = plain.URL
			}
			if stage != "create" {
				w.must(t, Created, first)
			}
			if stage == "close" {
				w.Push("main", map[string]string{second.Path: string(second.Text)})
			}
			return w
		}
		clean := setUp(t, true)
		before := len(clean.Requests())
		if _, err := clean.propose(t, 0, second); err != nil {
			t.Fatal(err)
		}
		var points []string
		for _, request := range clean.Requests()[before:] {
			method, path, _ := strings.Cut(request, " ")
			path = strings.Join(strings.SplitN(strings.TrimPrefix(path, "/repos/owner/repo"), "/", 4), "/")
			if kind := method + " " + strings.TrimPrefix(path, "/"); !slices.Contains(points, kind) && path != "" {
				points = append(points, kind)
			}
		}
		if len(points) < 5 {
			t.Fatalf("there are only the points %q", points)
		}
		trial{
			setUp: func(t *testing.T, once bool) *world { return setUp(t, once && stage == "create") },
			act: func(t *testing.T, w *world, wait time.Duration) error {
				_, err := w.propose(t, wait, second)
				return err
			},
			after: func(t *testing.T, w *world, err error) {
				if n := len(w.Pulls()); n > 1 {
					t.Fatalf("there are %d pull requests", n)
				}
				w.heal()
				if _, err := w.propose(t, 0, second); err != nil {
					t.Fatal(err)
				}
				w.settled(t, second, stage == "close")
			},
		}.run(t, stage, points)
	}
}

// A trial is something that can fail at any of its requests.
type trial struct {
	setUp func(t *testing.T, once bool) *world // once: the fault goes away by itself
	act   func(t *testing.T, w *world, wait time.Duration) error
	after func(t *testing.T, w *world, err error) // err is what act ended with
}

// run breaks each of the requests in each way, once and for good. An error has
// a hint and not the token, and there is none if the fault goes away in time.
func (tr trial) run(t *testing.T, stage string, points []string) {
	for _, point := range points {
		for _, kind := range kinds {
			for _, times := range []int{1, -1} {
				t.Run(fmt.Sprintf("%s/%s/%s/%d", stage, point, kind.name, times), func(t *testing.T) {
					t.Parallel()
					w := tr.setUp(t, times > 0)
					f := kind.fault
					f.Method, f.Path, _ = strings.Cut(point, " ")
					f.Times = times
					w.Break(f)
					wait := 400 * time.Millisecond
					if times < 0 {
						wait = 0
					}
					err := tr.act(t, w, wait)
					if w.Hit() == 0 {
						t.Fatal("the fault hit nothing")
					}
					if err != nil && (strings.Contains(err.Error(), token) || len(hint.Of(err)) == 0) {
						t.Errorf("the error has the token, or no hint: %v", err)
					}
					if err != nil && kind.passes && times > 0 {
						t.Errorf("it gave up: %v", err)
					}
					tr.after(t, w, err)
				})
			}
		}
	}
}

// heal takes away the faults.
func (w *world) heal() { *w.Broken = githubtest.Broken{Handler: w.Server} }

// settled checks that there is one pull request and that it is as it should be.
func (w *world) settled(t testing.TB, i *Image, closed bool) {
	t.Helper()
	pulls := w.Pulls()
	if len(pulls) != 1 {
		t.Fatalf("there are %d pull requests", len(pulls))
	}
	p := pulls[0]
	if closed {
		if p.State != "closed" || w.Files(p.Head) != nil {
			t.Errorf("it is %s", p.State)
		}
		return
	}
	if p.State != "open" || !slices.Equal(p.Labels, []string{Pending}) || w.Files("respin/cloud")[i.Path] != string(i.Text) || !strings.Contains(p.Body, "5.2-1") {
		t.Errorf("the pull request is %+v", p)
	}
	if parents := w.Parents(w.Refs()["refs/heads/respin/cloud"]); !slices.Equal(parents, []string{w.Refs()["refs/heads/main"]}) {
		t.Errorf("its commit is on %q", parents)
	}
}

// Runs at the same time make one pull request.
func TestConcurrent(t *testing.T) {
	w := newWorld(t, nil)
	i := image(t, "cloud", packages("bash", "5.2"), nil)
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			if _, err := w.propose(t, 5*time.Second, i); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	w.settled(t, i, false)
}

// Who answers with a redirect does not get the token.
func TestRedirect(t *testing.T) {
	stolen := make(chan string, 10)
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stolen <- r.Header.Get("Authorization") }))
	defer thief.Close()
	moved := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	env := map[string]string{"GH_TOKEN": token, "GITHUB_API_URL": moved.URL}
	r, err := githubapi.Open(func(name string) string { return env[name] }, "owner/repo", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBatch("", []*Image{image(t, "cloud", packages("bash", "5.2"), nil)})
	if err != nil {
		t.Fatal(err)
	}
	err = (&Proposal{Repository: r, Batch: b}).Prepare(t.Context())
	if err == nil || !strings.Contains(err.Error(), "GitHub points to another place (307)") || len(stolen) > 0 {
		t.Errorf("%v; %d requests went to the other place", err, len(stolen))
	}
}
