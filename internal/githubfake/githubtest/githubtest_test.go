package githubtest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/githubfake"
)

// The validation complains of what GitHub does not describe: it is no test that cannot fail.
func TestComplains(t *testing.T) {
	d := description(t)
	if d == nil {
		t.Skip("SKIP: GitHub's description of its API is not here")
	}
	fake := githubfake.New("owner/repo", "token", map[string]string{"a": "b"})
	odd := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Odd") == "" {
			fake.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"name": 1}`)
	})
	for _, test := range []struct{ name, method, path, body, odd, want string }{
		{"fine", "GET", "/repos/owner/repo/git/ref/heads/main", "", "", ""},
		{"unknown", "GET", "/repos/owner/repo/nothing", "", "", "GitHub has no GET"},
		{"method", "PUT", "/repos/owner/repo/pulls", "", "", "GitHub has no PUT"},
		{"field missing", "POST", "/repos/owner/repo/git/refs", `{"ref":"refs/heads/x"}`, "", "does not describe such a request"},
		{"wrong type", "PATCH", "/repos/owner/repo/pulls/1", `{"title":1}`, "", "does not describe such a request"},
		{"wrong value", "GET", "/repos/owner/repo/pulls?state=merged", "", "", "does not describe such a request"},
		{"a bare list", "POST", "/repos/owner/repo/issues/1/labels", `["a"]`, "", "does not describe such a request"},
		{"number", "GET", "/repos/owner/repo/pulls/one", "", "", "does not describe such a request"},
		{"answer", "GET", "/repos/owner/repo", "", "1", "does not describe such an answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var complaints []error
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			r.Header.Set("Authorization", "Bearer token")
			r.Header.Set("Content-Type", "application/json")
			if test.odd != "" {
				r.Header.Set("Odd", test.odd)
			}
			Validate(d, odd, func(err error) { complaints = append(complaints, err) }).ServeHTTP(httptest.NewRecorder(), r)
			err := errors.Join(complaints...)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("it complains %v, want %q", err, test.want)
			}
		})
	}
}

// An archive that is not the one is not read.
func TestIntegrity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tgz")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := extract(path); err == nil || !strings.Contains(err.Error(), "has the integrity sha512-") {
		t.Errorf("it says %v", err)
	}
}

func BenchmarkLoad(b *testing.B) {
	if description(b) == nil {
		b.Skip("SKIP: GitHub's description of its API is not here")
	}
	for b.Loop() {
		text, err := fetched()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := only(text, paths); err != nil {
			b.Fatal(err)
		}
	}
}
