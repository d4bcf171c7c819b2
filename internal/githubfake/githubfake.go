// Package githubfake is one GitHub repository in memory, with the part of the
// REST API that release pull requests need: Git objects and references, pull
// requests and labels. It is strict: what GitHub refuses it refuses, with the
// same status, and it takes no field that it does not know.
//
// The names of objects are Git's own. Package githubtest holds requests and
// answers to GitHub's description of its API.
package githubfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Server is an http.Handler. Its methods may be called from several goroutines.
type Server struct {
	owner, name, token string
	mux                *http.ServeMux

	mu       sync.Mutex // guards all below
	now      time.Time  // goes on by a second with each use
	blobs    map[string][]byte
	trees    map[string]tree
	commits  map[string]*commit
	refs     map[string]string // "refs/heads/main" → a commit's name
	pulls    []*Pull
	base     string // default branch
	requests []string
}

// New makes the repository OWNER/NAME with a first commit of files on its
// branch main, for who has the token.
func New(fullName, token string, files map[string]string) *Server {
	owner, name, _ := strings.Cut(fullName, "/")
	s := &Server{
		owner: owner, name: name, token: token, base: "main", now: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC),
		blobs: map[string][]byte{}, trees: map[string]tree{}, commits: map[string]*commit{}, refs: map[string]string{},
	}
	s.Push("main", files)
	s.routes()
	return s
}

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	repo := "/repos/" + s.owner + "/" + s.name
	for pattern, handle := range map[string]func(*request) (int, any){
		"GET " + repo:                                       s.getRepository,
		"GET " + repo + "/git/ref/{ref...}":                 s.getRef,
		"POST " + repo + "/git/refs":                        s.createRef,
		"PATCH " + repo + "/git/refs/{ref...}":              s.updateRef,
		"DELETE " + repo + "/git/refs/{ref...}":             s.deleteRef,
		"GET " + repo + "/git/commits/{sha}":                s.getCommit,
		"POST " + repo + "/git/commits":                     s.createCommit,
		"GET " + repo + "/git/trees/{sha}":                  s.getTree,
		"POST " + repo + "/git/trees":                       s.createTree,
		"GET " + repo + "/git/blobs/{sha}":                  s.getBlob,
		"POST " + repo + "/git/blobs":                       s.createBlob,
		"GET " + repo + "/pulls":                            s.listPulls,
		"POST " + repo + "/pulls":                           s.createPull,
		"GET " + repo + "/pulls/{number}":                   s.getPull,
		"PATCH " + repo + "/pulls/{number}":                 s.updatePull,
		"POST " + repo + "/issues/{number}/labels":          s.addLabels,
		"DELETE " + repo + "/issues/{number}/labels/{name}": s.removeLabel,
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, handle) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, func(*request) (int, any) { return refuse(404, "Not Found") })
	})
}

// A request with the base of the URLs in its answer.
type request struct {
	*http.Request
	api string // of the repository
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) answer(w http.ResponseWriter, r *http.Request, handle func(*request) (int, any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.now = s.now.Add(time.Second)
	status, value := http.StatusUnauthorized, any(map[string]any{"message": "Bad credentials", "documentation_url": manual, "status": "401"})
	if r.Header.Get("Authorization") == "Bearer "+s.token {
		status, value = handle(&request{r, "http://" + r.Host + "/repos/" + s.owner + "/" + s.name})
	}
	w.Header().Set("X-RateLimit-Limit", "1000")
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(1000-len(s.requests), 0)))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
	if value == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

const (
	manual  = "https://docs.github.com/rest"
	mostIn  = 40 << 20 // bytes of a request
	someURL = "https://github.example/"
)

// refuse is an answer with an error. Details are those of 422.
func refuse(status int, message string, details ...map[string]string) (int, any) {
	answer := map[string]any{"message": message, "documentation_url": manual, "status": fmt.Sprint(status)}
	if len(details) > 0 {
		answer["errors"] = details
	}
	return status, answer
}

// read reads a request's body, which holds nothing but the fields of v.
func (r *request) read(v any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, mostIn))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func bad(err error) (int, any) { return refuse(400, "Problems parsing JSON: "+err.Error()) }

// Requests are the requests so far, as METHOD PATH.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// urls fills in the addresses that an object of the API has many of.
func urls(object map[string]any, names string) map[string]any {
	for name := range strings.FieldsSeq(names) {
		object[name] = someURL + url.PathEscape(name)
	}
	return object
}

func user(login string) map[string]any {
	return urls(map[string]any{"login": login, "id": 1, "node_id": "U_1", "gravatar_id": "", "type": "User", "site_admin": false},
		"avatar_url events_url followers_url following_url gists_url html_url organizations_url received_events_url repos_url starred_url subscriptions_url url")
}

func (s *Server) repository(r *request) map[string]any {
	at := s.now.Format(time.RFC3339)
	about := urls(map[string]any{
		"id": 1, "node_id": "R_1", "name": s.name, "full_name": s.owner + "/" + s.name, "owner": user(s.owner), "private": false, "fork": false,
		"description": nil, "homepage": nil, "language": nil, "license": nil, "default_branch": s.base, "size": 1,
		"forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0, "watchers": 0, "watchers_count": 0, "stargazers_count": 0,
		"network_count": 0, "subscribers_count": 0, "archived": false, "disabled": false, "has_issues": true, "has_projects": false, "has_wiki": false,
		"has_pages": false, "has_downloads": true, "has_discussions": false, "pushed_at": at, "created_at": at, "updated_at": at,
		"git_url": "git:github.example/x.git", "ssh_url": "git@github.example:x.git",
	}, `archive_url assignees_url blobs_url branches_url collaborators_url comments_url commits_url compare_url contents_url contributors_url
		deployments_url downloads_url events_url forks_url git_commits_url git_refs_url git_tags_url hooks_url html_url issue_comment_url
		issue_events_url issues_url keys_url labels_url languages_url merges_url milestones_url notifications_url pulls_url releases_url
		stargazers_url statuses_url subscribers_url subscription_url tags_url teams_url trees_url clone_url svn_url mirror_url`)
	about["url"] = r.api
	return about
}

func (s *Server) getRepository(r *request) (int, any) { return 200, s.repository(r) }

// Names of references as Git takes them, less what nobody needs.
var refName = regexp.MustCompile(`^refs/(heads|tags)/[A-Za-z0-9+_-][A-Za-z0-9._+-]*(/[A-Za-z0-9+_-][A-Za-z0-9._+-]*)*$`)

func validRef(name string) bool {
	return refName.MatchString(name) && !strings.Contains(name, "..") && !strings.HasSuffix(name, ".") && !strings.HasSuffix(name, ".lock")
}
