package githubfake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/githubfake"
	"github.com/respin-project/respin/internal/githubfake/githubtest"
)

const token = "ghs_secretOfTheTest"

// A client asks the fake, each request and answer held to GitHub's description.
type client struct {
	*githubfake.Server
	url string
}

func newClient(t *testing.T) *client {
	s := githubfake.New("owner/repo", token, map[string]string{"README.md": "specs\n", "a/b": "c"})
	return &client{s, githubtest.Start(t, s)}
}

// ask returns the status and the answer of a request to the repository.
func (c *client) ask(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+"/repos/owner/repo"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode, answer
}

// must asks for what there is, and returns a member of the answer.
func (c *client) must(t *testing.T, status int, method, path, body, member string) string {
	t.Helper()
	got, answer := c.ask(t, method, path, body)
	if got != status {
		t.Fatalf("%s %s: %d %v", method, path, got, answer)
	}
	text, _ := answer[member].(string)
	return text
}

// What GitHub refuses the fake refuses: a test against it proves something.
func TestRefused(t *testing.T) {
	c := newClient(t)
	main := c.Refs()["refs/heads/main"]
	c.Push("feature", map[string]string{"x": "y"})
	side := c.Push("feature", map[string]string{"README.md": "other\n"})
	c.must(t, 201, "POST", "/git/refs", `{"ref":"refs/heads/behind","sha":"`+main+`"}`, "ref")
	c.Push("main", map[string]string{"README.md": "moved\n"})
	blob := c.must(t, 201, "POST", "/git/blobs", `{"content":"text"}`, "sha")
	c.must(t, 201, "POST", "/git/refs", `{"ref":"refs/heads/topic","sha":"`+side+`"}`, "ref")
	c.must(t, 201, "POST", "/pulls", `{"title":"t","head":"topic","base":"main"}`, "title")
	c.Push("gone", map[string]string{"z": "z"})
	c.must(t, 201, "POST", "/pulls", `{"title":"t","head":"gone","base":"main"}`, "title")
	c.Merge(2)
	entry := func(path, mode, kind, sha string) string {
		return `{"tree":[{"path":"` + path + `","mode":"` + mode + `","type":"` + kind + `","sha":"` + sha + `"}]}`
	}
	zeros := strings.Repeat("0", 40)
	long := strings.Repeat("ä", 65537)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string // part of the message, or of the first error's
	}{
		{"GET", "/git/ref/heads/nothing", "", 404, "Not Found"},
		{"POST", "/git/refs", `{"ref":"refs/heads/main","sha":"` + main + `"}`, 422, "Reference already exists"},
		{"POST", "/git/refs", `{"ref":"refs/heads/x","sha":"` + zeros + `"}`, 422, "Object does not exist"},
		{"POST", "/git/refs", `{"ref":"heads/x","sha":"` + main + `"}`, 422, "is not a valid ref name"},
		{"POST", "/git/refs", `{"ref":"refs/tags/a..b","sha":"` + main + `"}`, 422, "is not a valid ref name"},
		{"POST", "/git/refs", `{"ref":"refs/tags/a.lock","sha":"` + main + `"}`, 422, "is not a valid ref name"},
		{"PATCH", "/git/refs/heads/nothing", `{"sha":"` + main + `","force":true}`, 422, "Reference does not exist"},
		{"PATCH", "/git/refs/heads/main", `{"sha":"` + zeros + `","force":true}`, 422, "Object does not exist"},
		{"PATCH", "/git/refs/heads/main", `{"sha":"` + side + `"}`, 422, "Update is not a fast forward"},
		{"DELETE", "/git/refs/heads/nothing", "", 422, "Reference does not exist"},
		{"GET", "/git/commits/" + zeros, "", 404, "Not Found"},
		{"GET", "/git/trees/" + zeros + "?recursive=1", "", 404, "Not Found"},
		{"GET", "/git/blobs/" + zeros, "", 404, "Not Found"},
		{"POST", "/git/blobs", `{"content":"no base64","encoding":"base64"}`, 422, "not valid Base64"},
		{"POST", "/git/commits", `{"message":"m","tree":"` + zeros + `"}`, 422, "Tree SHA does not exist"},
		{"POST", "/git/trees", `{"base_tree":"` + zeros + `","tree":[]}`, 422, "base_tree is not a valid tree"},
		{"POST", "/git/trees", `{"tree":[]}`, 422, "Invalid tree info"},
		{"POST", "/git/trees", entry("../x", "100644", "blob", blob), 422, "malformed path component"},
		{"POST", "/git/trees", entry("a/.git/x", "100644", "blob", blob), 422, "malformed path component"},
		{"POST", "/git/trees", entry("a//x", "100644", "blob", blob), 422, "malformed path component"},
		{"POST", "/git/trees", entry("x", "100644", "blob", zeros), 422, "is not a valid blob"},
		{"POST", "/pulls", `{"title":"t","head":"nothing","base":"main"}`, 422, "Validation Failed"},
		{"POST", "/pulls", `{"title":"t","head":"feature","base":"nothing"}`, 422, "Validation Failed"},
		{"POST", "/pulls", `{"head":"feature","base":"main"}`, 422, "Validation Failed"},
		{"POST", "/pulls", `{"title":"t","head":"behind","base":"main"}`, 422, "No commits between main and behind"},
		{"POST", "/pulls", `{"title":"t","head":"topic","base":"main"}`, 422, "A pull request already exists for owner:topic."},
		{"POST", "/pulls", `{"title":"t","head":"feature","base":"main","body":"` + long + `"}`, 422, "body is too long (maximum is 65536 characters)"},
		{"POST", "/pulls", `{"title":"` + long[:600] + `","head":"feature","base":"main"}`, 422, "title is too long (maximum is 256 characters)"},
		{"GET", "/pulls/9", "", 404, "Not Found"},
		{"PATCH", "/pulls/9", `{"title":"t"}`, 404, "Not Found"},
		{"PATCH", "/pulls/1", `{"base":"nothing"}`, 422, "Validation Failed"},
		{"PATCH", "/pulls/1", `{"body":"` + long + `"}`, 422, "body is too long"},
		{"PATCH", "/pulls/2", `{"state":"open"}`, 422, "Validation Failed"},
		{"PATCH", "/pulls/2", `{"base":"feature"}`, 422, "Cannot change the base branch of a closed pull request."},
		{"POST", "/issues/9/labels", `{"labels":["a"]}`, 404, "Not Found"},
		{"DELETE", "/issues/1/labels/nothing", "", 404, "Label does not exist"},
	} {
		status, answer := c.ask(t, test.method, test.path, test.body)
		text, _ := json.Marshal(answer)
		if said := string(text); status != test.status || !strings.Contains(said, test.want) || !strings.Contains(said, `"documentation_url"`) {
			t.Errorf("%s %s %.80s: %d %s, want %d %s", test.method, test.path, test.body, status, text, test.status, test.want)
		}
	}
	// Nothing of that has changed anything.
	if pulls := c.Pulls(); len(pulls) != 2 || pulls[0].State != "open" || len(pulls[0].Labels) != 0 {
		t.Errorf("the pull requests are %+v", pulls)
	}
}

// Without the token, and beside the repository, there is nothing. What the
// fake does not know it does not pass over.
func TestStrangers(t *testing.T) {
	s := githubfake.New("owner/repo", token, nil)
	plain := httptest.NewServer(s)
	t.Cleanup(plain.Close)
	server := plain.URL
	c := &client{s, server}
	if status, _ := c.ask(t, "POST", "/git/blobs", `{"content":"x","colour":"red"}`); status != 400 {
		t.Errorf("a field that it does not know: %d", status)
	}
	if status, _ := c.ask(t, "POST", "/git/blobs", `{"content":`); status != 400 {
		t.Errorf("half a request: %d", status)
	}
	if status, _ := c.ask(t, "GET", "/nothing", ""); status != 404 {
		t.Errorf("another path: %d", status)
	}
	for _, path := range []string{"/repos/owner/repo", "/repos/owner/other"} {
		for _, authorization := range []string{"", "Bearer wrong", token, "Bearer " + token + "x"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", server+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", authorization)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != 401 {
				t.Errorf("%s with %q: %d", path, authorization, response.StatusCode)
			}
		}
	}
}

// Objects have the names that Git gives them, and everything reads as it was written.
func TestObjects(t *testing.T) {
	c := newClient(t)
	if sha := c.must(t, 201, "POST", "/git/blobs", `{"content":"dGVzdAo=","encoding":"base64"}`, "sha"); sha != "9daeafb9864cf43055ae93beb0afd6c7d144bfa4" { // printf 'test\n' | git hash-object --stdin
		t.Errorf("the blob is %s", sha)
	}
	if sha := c.must(t, 201, "POST", "/git/trees", `{"tree":[{"path":"a","mode":"100644","type":"blob","sha":"9daeafb9864cf43055ae93beb0afd6c7d144bfa4"}]}`, "sha"); sha != "9edd9f192b9776e638a814692e9dde190b6ab87a" { // git write-tree
		t.Errorf("the tree is %s", sha)
	}
	head := c.Refs()["refs/heads/main"]
	tree := c.must(t, 201, "POST", "/git/trees", `{"tree":[{"path":"d/e","mode":"100644","type":"blob","sha":"9daeafb9864cf43055ae93beb0afd6c7d144bfa4"}]}`, "sha")
	commit := c.must(t, 201, "POST", "/git/commits", `{"message":"m","tree":"`+tree+`","parents":["`+head+`"]}`, "sha")
	c.must(t, 200, "PATCH", "/git/refs/heads/main", `{"sha":"`+commit+`"}`, "ref")
	if files := c.Files("main"); len(files) != 1 || files["d/e"] != "test\n" {
		t.Errorf("the files are %q", files)
	}
	if parents := c.Parents(commit); len(parents) != 1 || parents[0] != head {
		t.Errorf("the parents are %q", parents)
	}
}

// A pull request whose branch is removed is closed; a fork's branch is not the repository's.
func TestPulls(t *testing.T) {
	c := newClient(t)
	c.Push("topic", map[string]string{"x": "y"})
	c.must(t, 200, "GET", "/pulls?head=nothing", "", "")
	c.must(t, 201, "POST", "/pulls", `{"title":"t","head":"topic","base":"main","body":"b"}`, "title")
	if n := c.Open(githubfake.Pull{Title: "evil", Head: "topic", Base: "main", Fork: "evil/repo"}); n != 2 {
		t.Errorf("the fork's is #%d", n)
	}
	c.must(t, 200, "POST", "/issues/1/labels", `{"labels":["a label","b"]}`, "")
	c.must(t, 200, "POST", "/issues/1/labels", `{"labels":["b"]}`, "")
	c.must(t, 200, "DELETE", "/issues/1/labels/a%20label", "", "")
	if labels := c.Pulls()[0].Labels; len(labels) != 1 || labels[0] != "b" {
		t.Errorf("the labels are %q", labels)
	}
	if got := c.must(t, 200, "PATCH", "/pulls/1", `{"body":"new"}`, "body"); got != "new" {
		t.Errorf("the body is %q", got)
	}
	c.must(t, 204, "DELETE", "/git/refs/heads/topic", "", "")
	if p := c.Pulls()[0]; p.State != "closed" || p.Merge != "" {
		t.Errorf("it is %+v", p)
	}
}
