package githubapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/hint"
)

const token = "ghs_secretOfTheTest"

// A step is how a server answers one request.
type step struct {
	status int // 0 breaks the connection, -1 in the middle of the answer
	body   string
	header map[string]string
}

// A server answers by its steps, of which the last one stays.
type server struct {
	url string

	mu    sync.Mutex
	steps []step
	seen  []string // METHOD PATH AUTHORIZATION BODY
}

func serve(t *testing.T, steps ...step) *server {
	s := &server{steps: steps}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, fmt.Sprintf("%s %s %q %s", r.Method, r.URL.Path, r.Header.Get("Authorization"), body))
		now := s.steps[0]
		if len(s.steps) > 1 {
			s.steps = s.steps[1:]
		}
		for key, value := range now.header {
			w.Header().Set(key, value)
		}
		switch now.status {
		case 0:
			panic(http.ErrAbortHandler)
		case -1:
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"name":`)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(now.status)
		io.WriteString(w, now.body)
	}))
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *server) open(t *testing.T, wait time.Duration) *Repository {
	t.Helper()
	env := map[string]string{"GITHUB_TOKEN": token, "GITHUB_API_URL": s.url}
	r, err := Open(func(name string) string { return env[name] }, "owner/repo", wait, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask asks for the repository.
func ask(ctx context.Context, r *Repository) error {
	_, _, err := r.Repositories.Get(ctx, r.Owner, r.Name)
	return r.Explain("looking", err)
}

var fine = step{status: 200, body: `{"name":"repo"}`}

func TestOpen(t *testing.T) {
	for _, test := range []struct {
		name string
		env  map[string]string
		want string // the API's address and the repository, or the error
	}{
		{"", map[string]string{"GITHUB_TOKEN": "x", "GITHUB_REPOSITORY": "a/b"}, "https://api.github.com/ a/b"},
		{"c/d.e", map[string]string{"GH_TOKEN": "x", "GITHUB_REPOSITORY": "a/b"}, "https://api.github.com/ c/d.e"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "https://ghe.example/api/v3"}, "https://ghe.example/api/v3/ a/b"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "http://[::1]:8080/"}, "http://[::1]:8080/ a/b"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "http://localhost"}, "http://localhost/ a/b"},
		{"a/b", map[string]string{}, "there is no token for a/b"},
		{"a/b", map[string]string{"GH_TOKEN": "x\n"}, "the token in GITHUB_TOKEN or GH_TOKEN holds characters that no token has"},
		{"", map[string]string{"GH_TOKEN": "x"}, `"" is no repository of GitHub's`},
		{"a", map[string]string{"GH_TOKEN": "x"}, `"a" is no repository of GitHub's`},
		{"a/..", map[string]string{"GH_TOKEN": "x"}, `"a/.." is no repository of GitHub's`},
		{"a/b/c", map[string]string{"GH_TOKEN": "x"}, `"a/b/c" is no repository of GitHub's`},
		{"a/b?x", map[string]string{"GH_TOKEN": "x"}, `"a/b?x" is no repository of GitHub's`},
		{"-a/b", map[string]string{"GH_TOKEN": "x"}, `"-a/b" is no repository of GitHub's`},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "http://github.example"}, "GITHUB_API_URL: the token is not sent to http://github.example, which is not encrypted"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "http://localhost.example"}, "GITHUB_API_URL: the token is not sent to http://localhost.example, which is not encrypted"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "ftp://127.0.0.1"}, "GITHUB_API_URL: the token is not sent to ftp://127.0.0.1, which is not encrypted"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "https://me:secret@github.example"}, "GITHUB_API_URL is no address of an API"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "https://github.example/?a=b"}, "GITHUB_API_URL is no address of an API"},
		{"a/b", map[string]string{"GH_TOKEN": "x", "GITHUB_API_URL": "api.github.com"}, "GITHUB_API_URL is no address of an API"},
	} {
		r, err := Open(func(name string) string { return test.env[name] }, test.name, 0, nil)
		got := ""
		if err != nil {
			if got = err.Error(); len(hint.Of(err)) != 1 {
				t.Errorf("%s: the hints are %q", got, hint.Of(err))
			}
		} else {
			got = r.BaseURL.String() + " " + r.FullName()
		}
		if got != test.want {
			t.Errorf("%q %v: %s, want %s", test.name, test.env, got, test.want)
		}
	}
}

// What passes is tried again as long as the patience lasts, what does not is not.
func TestRetry(t *testing.T) {
	reset := func(d time.Duration) map[string]string {
		return map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(d).Unix())}
	}
	again := map[string]string{"Retry-After": "0"}
	for name, test := range map[string]struct {
		wait  time.Duration
		steps []step
		want  int // requests
		err   string
	}{
		"at once":                     {0, []step{fine}, 1, ""},
		"server errors":               {time.Minute, []step{{status: 500}, {status: 502}, {status: 503}, {status: 504}, fine}, 5, ""},
		"a timeout":                   {time.Minute, []step{{status: 408}, fine}, 2, ""},
		"broken connections":          {time.Minute, []step{{status: 0}, {status: -1}, fine}, 3, ""},
		"rate limit that is over":     {time.Minute, []step{{status: 403, header: reset(-time.Minute)}, {status: 429, header: again}, fine}, 3, ""},
		"secondary rate limit":        {time.Minute, []step{{status: 403, body: `{"message":"You have exceeded a secondary rate limit."}`, header: again}, fine}, 2, ""},
		"no patience":                 {0, []step{{status: 502}, fine}, 1, "looking: GitHub fails (502 without words)"},
		"no patience, broken":         {0, []step{{status: 0}, fine}, 1, "looking: the connection to GitHub broke: "},
		"limit longer than patience":  {time.Minute, []step{{status: 403, header: reset(time.Hour)}, fine}, 1, "looking: GitHub's rate limit is reached; it ends at "},
		"limit that names no time":    {time.Second, []step{{status: 403, body: `{"message":"You have triggered an abuse detection mechanism"}`}, fine}, 1, "looking: GitHub's rate limit is reached; it ends at "},
		"pause longer than patience":  {time.Second, []step{{status: 503, header: map[string]string{"Retry-After": "3600"}}, fine}, 1, "looking: GitHub fails (503 without words)"},
		"a pause until a date":        {time.Minute, []step{{status: 503, header: map[string]string{"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}}, fine}, 2, ""},
		"a pause that makes no sense": {time.Minute, []step{{status: 503, header: map[string]string{"Retry-After": "-1"}}, {status: 503, header: map[string]string{"Retry-After": "soon"}}, fine}, 3, ""},
		"401":                         {time.Minute, []step{{status: 401, body: `{"message":"Bad credentials"}`}, fine}, 1, "looking: GitHub does not know the token (401 Bad credentials)"},
		"403":                         {time.Minute, []step{{status: 403, body: `{"message":"Resource not accessible"}`}, fine}, 1, "looking: GitHub does not allow it (403 Resource not accessible)"},
		"404":                         {time.Minute, []step{{status: 404, body: `{"message":"Not Found"}`}, fine}, 1, "looking: GitHub does not find it in owner/repo (404 Not Found)"},
		"409":                         {time.Minute, []step{{status: 409, body: `{"message":"Git Repository is empty."}`}, fine}, 1, "looking: the repository is in no state for it (409 Git Repository is empty.)"},
		"422":                         {time.Minute, []step{{status: 422, body: `{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"},{"message":"why"}]}`}, fine}, 1, "looking: GitHub refuses it (422 Validation Failed; head invalid; why)"},
		"451":                         {time.Minute, []step{{status: 451, body: `{"message":"Blocked"}`}, fine}, 1, "looking: GitHub answers 451 Blocked"},
		"not JSON":                    {time.Minute, []step{{status: 404, body: "<html>"}}, 1, "looking: GitHub does not find it in owner/repo (404 without words)"},
		"another place":               {time.Minute, []step{{status: 307, header: map[string]string{"Location": "/elsewhere"}}, fine}, 1, "looking: GitHub points to another place (307)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.steps...)
			r := s.open(t, test.wait)
			r.retrier.first = time.Millisecond
			err := ask(t.Context(), r)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.HasPrefix(err.Error(), test.err)) {
				t.Errorf("it says %v, want %q", err, test.err)
			}
			if err != nil && len(hint.Of(err)) == 0 && test.steps[0].status != 451 {
				t.Errorf("there is no hint: %v", err)
			}
			got := s.requests()
			if len(got) != test.want {
				t.Errorf("there were %d requests, want %d", len(got), test.want)
			}
			for _, request := range got {
				if request != fmt.Sprintf("GET /repos/owner/repo %q ", "Bearer "+token) {
					t.Errorf("a request was %s", request)
				}
			}
		})
	}
}

// The pauses of a run cost one patience together.
func TestPatience(t *testing.T) {
	s := serve(t, step{status: 429, header: map[string]string{"Retry-After": "0"}})
	r := s.open(t, 50*time.Millisecond)
	for range 3 {
		if err := ask(t.Context(), r); err == nil {
			t.Fatal("there is no error")
		}
	}
	many := len(s.requests())
	if r.retrier.left < 0 || many < 4 {
		t.Errorf("%d requests, %v are left", many, r.retrier.left)
	}
	r.retrier.left = 0
	if ask(t.Context(), r); len(s.requests()) != many+1 {
		t.Errorf("without patience it asked again")
	}
}

// A body is sent whole each time; what is to be sent once is, and Pause decides about it.
func TestBodies(t *testing.T) {
	s := serve(t, step{status: 500}, step{status: 0}, step{status: 201, body: `{"sha":"1"}`})
	r := s.open(t, time.Minute)
	r.retrier.first = time.Millisecond
	if _, _, err := r.Git.CreateBlob(t.Context(), "owner", "repo", &github.Blob{Content: new("text")}); err != nil {
		t.Fatal(err)
	}
	for _, request := range s.requests() {
		if !strings.HasSuffix(strings.TrimSpace(request), `{"content":"text"}`) {
			t.Errorf("a request was %s", request)
		}
	}
	s = serve(t, step{status: 502}, fine)
	r = s.open(t, time.Minute)
	r.retrier.first = time.Millisecond
	_, _, err := r.Repositories.Get(Once(t.Context()), "owner", "repo")
	if !Is(err, 502) || len(s.requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
	if !r.Pause(t.Context(), err, 1) {
		t.Error("it cannot be sent again")
	}
	_, _, err = r.Repositories.Get(Once(t.Context()), "owner", "repo")
	if err != nil {
		t.Error(err)
	}
	if r.Pause(t.Context(), errors.New("something else"), 1) {
		t.Error("what does not pass can be sent again")
	}
}

// Ctrl-C ends a pause, and is no fault of GitHub's.
func TestCancelled(t *testing.T) {
	s := serve(t, step{status: 503, header: map[string]string{"Retry-After": "3600"}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(s.requests()) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	r := s.open(t, 24*time.Hour)
	if err := ask(ctx, r); err == nil || len(s.requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
	if err := ask(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("it says %v", err)
	}
}

// What a successful answer says of a limit keeps nothing back.
func TestLastRequest(t *testing.T) {
	last := fine
	last.header = map[string]string{"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(time.Hour).Unix())}
	s := serve(t, last)
	r := s.open(t, 0)
	for range 2 {
		if err := ask(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.requests()) != 2 {
		t.Errorf("there were %d requests", len(s.requests()))
	}
}

// The token goes to the API's host only.
func TestToken(t *testing.T) {
	other := serve(t, fine)
	home := serve(t, step{status: 302, header: map[string]string{"Location": other.url}}, fine)
	r := home.open(t, 0)
	if err := ask(t.Context(), r); err == nil {
		t.Error("it followed")
	}
	request, err := r.NewRequest("GET", other.url+"/repos/owner/repo", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(t.Context(), request, nil); err != nil {
		t.Fatal(err)
	}
	for _, seen := range other.requests() {
		if strings.Contains(seen, token) {
			t.Errorf("another host got %s", seen)
		}
	}
}

// Neither the token nor anything that a log would take for a command gets into an error.
func TestRedacted(t *testing.T) {
	for _, body := range []string{
		`{"message":"Bad ` + token + `\n::error::x"}`,
		`{"message":"x","errors":[{"field":"` + token + `","code":"` + token + `","message":"` + token + `"}]}`,
		`{"message":"` + strings.Repeat("long ", 1000) + token + `"}`,
		`{"message":"` + strings.Repeat("x", mostWords-3) + token + `"}`,
	} {
		s := serve(t, step{status: 422, body: body})
		err := ask(t.Context(), s.open(t, 0))
		if err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "ghs") || strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > mostWords+100 {
			t.Errorf("it says %v", err)
		}
	}
	s := serve(t, fine)
	r := s.open(t, 0)
	r.BaseURL.Host = "127.0.0.1:1"
	r.BaseURL.Path = "/" + token + "/"
	if err := ask(t.Context(), r); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("it says %v", err)
	}
}

// FuzzClean holds that no server's words bring the token, a control character or much text into an error.
func FuzzClean(f *testing.F) {
	f.Add("Bad " + token + "\n::error::x")
	f.Add(token[:9] + token + token[9:])
	f.Add("\x1b[2J\xff\u202e")
	r := &Repository{token: token}
	f.Fuzz(func(t *testing.T, text string) {
		got := r.clean(text)
		if strings.Contains(got, token) || strings.ContainsAny(got, "\n\r\x1b\u202e") || len([]rune(got)) > mostWords+1 {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
