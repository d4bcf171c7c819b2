package githubfake

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Pull is a pull request.
type Pull struct {
	Number                    int
	Title, Body, State        string // open or closed
	Head, Base                string // branches
	Fork                      string // OWNER/NAME of the repository that Head is in, if not this one
	Labels                    []string
	Merge                     string // the merge's commit; empty if it is not merged
	head                      string // its last commit
	created, mergedAt, closed time.Time
}

// What GitHub takes, in characters.
const (
	mostBody  = 65536
	mostTitle = 256
)

func (s *Server) pullJSON(r *request, p *Pull) map[string]any {
	moment := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.Format(time.RFC3339)
	}
	if sha := s.refs["refs/heads/"+p.Head]; sha != "" && p.State == "open" {
		p.head = sha
	}
	labels := []any{}
	for _, l := range p.Labels {
		labels = append(labels, labelJSON(l))
	}
	at := fmt.Sprintf("%s/pulls/%d", r.api, p.Number)
	links := map[string]any{}
	for _, link := range []string{"comments", "commits", "statuses", "html", "issue", "review_comments", "review_comment", "self"} {
		links[link] = map[string]any{"href": at}
	}
	var merge any
	if p.Merge != "" {
		merge = p.Merge
	}
	out := urls(map[string]any{
		"id": p.Number, "node_id": "PR_1", "number": p.Number, "state": p.State, "locked": false, "title": p.Title, "body": p.Body, "user": user("fake"),
		"labels": labels, "milestone": nil, "assignee": nil, "author_association": "NONE", "auto_merge": nil, "active_lock_reason": nil,
		"created_at": moment(p.created), "updated_at": moment(s.now), "closed_at": moment(p.closed), "merged_at": moment(p.mergedAt), "merge_commit_sha": merge,
		"head": s.side(r, p.Head, p.head, p.Fork), "base": s.side(r, p.Base, s.refs["refs/heads/"+p.Base], ""), "_links": links,
		"merged": p.Merge != "", "mergeable": true, "mergeable_state": "clean", "merged_by": nil, "maintainer_can_modify": false,
		"comments": 0, "review_comments": 0, "commits": 1, "additions": 1, "deletions": 0, "changed_files": 1,
	}, "diff_url patch_url issue_url commits_url review_comments_url comments_url statuses_url")
	out["review_comment_url"] = someURL + "comments"
	out["url"], out["html_url"] = at, fmt.Sprintf("%s%s/%s/pull/%d", someURL, s.owner, s.name, p.Number)
	return out
}

func (s *Server) side(r *request, branch, sha, fork string) map[string]any {
	repo, owner := s.repository(r), s.owner
	if fork != "" {
		owner, _, _ = strings.Cut(fork, "/")
		repo["full_name"], repo["fork"] = fork, true
	}
	return map[string]any{"label": owner + ":" + branch, "ref": branch, "sha": sha, "user": user(owner), "repo": repo}
}

func (p *Pull) owner(s *Server) string {
	if p.Fork == "" {
		return s.owner
	}
	owner, _, _ := strings.Cut(p.Fork, "/")
	return owner
}

// listPulls filters by head only if that is OWNER:BRANCH; anything else is passed over, as by GitHub.
func (s *Server) listPulls(r *request) (int, any) {
	q := r.URL.Query()
	owner, branch, filter := strings.Cut(q.Get("head"), ":")
	state := q.Get("state")
	list := []any{}
	for _, p := range s.pulls {
		if filter && (p.Head != branch || p.owner(s) != owner) || state != "all" && p.State != cmp.Or(state, "open") {
			continue
		}
		list = append(list, s.pullJSON(r, p))
	}
	if q.Get("direction") == "desc" {
		slices.Reverse(list)
	}
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && len(list) > n {
		list = list[:n]
	}
	return 200, list
}

func invalid(field string) (int, any) {
	return refuse(422, "Validation Failed", map[string]string{"resource": "PullRequest", "field": field, "code": "invalid"})
}

func custom(message string) (int, any) {
	return refuse(422, "Validation Failed", map[string]string{"resource": "PullRequest", "code": "custom", "message": message})
}

func (s *Server) createPull(r *request) (int, any) {
	var in struct{ Title, Body, Head, Base string }
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	head, base := s.refs["refs/heads/"+in.Head], s.refs["refs/heads/"+in.Base]
	switch {
	case head == "":
		return invalid("head")
	case base == "":
		return invalid("base")
	case in.Title == "":
		return refuse(422, "Validation Failed", map[string]string{"resource": "Issue", "field": "title", "code": "missing_field"})
	case s.ancestor(head, base):
		return custom(fmt.Sprintf("No commits between %s and %s", in.Base, in.Head))
	}
	if status, answer := tooLong(in.Title, in.Body); status != 0 {
		return status, answer
	}
	for _, p := range s.pulls {
		if p.State == "open" && p.Head == in.Head && p.Base == in.Base && p.Fork == "" {
			return custom(fmt.Sprintf("A pull request already exists for %s:%s.", s.owner, in.Head))
		}
	}
	p := &Pull{Number: len(s.pulls) + 1, Title: in.Title, Body: in.Body, State: "open", Head: in.Head, Base: in.Base, created: s.now}
	s.pulls = append(s.pulls, p)
	return 201, s.pullJSON(r, p)
}

func tooLong(title, body string) (int, any) {
	if utf8.RuneCountInString(body) > mostBody {
		return custom(fmt.Sprintf("body is too long (maximum is %d characters)", mostBody))
	}
	if utf8.RuneCountInString(title) > mostTitle {
		return custom(fmt.Sprintf("title is too long (maximum is %d characters)", mostTitle))
	}
	return 0, nil
}

// pull returns the pull request that a path names, nil if there is none.
func (s *Server) pull(r *request) *Pull {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 1 || n > len(s.pulls) {
		return nil
	}
	return s.pulls[n-1]
}

func (s *Server) getPull(r *request) (int, any) {
	p := s.pull(r)
	if p == nil {
		return refuse(404, "Not Found")
	}
	return 200, s.pullJSON(r, p)
}

func (s *Server) updatePull(r *request) (int, any) {
	var in struct{ Title, Body, State, Base *string }
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	p := s.pull(r)
	if p == nil {
		return refuse(404, "Not Found")
	}
	after := *p
	for from, to := range map[*string]*string{in.Title: &after.Title, in.Body: &after.Body, in.State: &after.State, in.Base: &after.Base} {
		if from != nil {
			*to = *from
		}
	}
	switch {
	case after.State != "open" && after.State != "closed":
		return invalid("state")
	case in.Base != nil && p.State == "closed":
		return custom("Cannot change the base branch of a closed pull request.")
	case s.refs["refs/heads/"+after.Base] == "":
		return invalid("base")
	case p.Merge != "" && after.State == "open":
		return invalid("state")
	}
	if status, answer := tooLong(after.Title, after.Body); status != 0 {
		return status, answer
	}
	if p.State == "open" && after.State == "closed" {
		after.closed = s.now
	}
	*p = after
	return 200, s.pullJSON(r, p)
}

func labelJSON(name string) map[string]any {
	return map[string]any{"id": 1, "node_id": "L_1", "url": someURL + "label", "name": name, "description": "", "color": "ededed", "default": false}
}

func labelsJSON(p *Pull) []any {
	all := []any{}
	for _, l := range p.Labels {
		all = append(all, labelJSON(l))
	}
	return all
}

func (s *Server) addLabels(r *request) (int, any) {
	var in struct{ Labels []string }
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	p := s.pull(r)
	if p == nil {
		return refuse(404, "Not Found")
	}
	for _, l := range in.Labels {
		if !slices.Contains(p.Labels, l) {
			p.Labels = append(p.Labels, l)
		}
	}
	return 200, labelsJSON(p)
}

func (s *Server) removeLabel(r *request) (int, any) {
	p := s.pull(r)
	if p == nil || !slices.Contains(p.Labels, r.PathValue("name")) {
		return refuse(404, "Label does not exist")
	}
	p.Labels = slices.DeleteFunc(p.Labels, func(l string) bool { return l == r.PathValue("name") })
	return 200, labelsJSON(p)
}

// Pulls returns copies of all pull requests, in the order of their numbers.
func (s *Server) Pulls() []Pull {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Pull
	for _, p := range s.pulls {
		one := *p
		one.Labels = slices.Clone(p.Labels)
		all = append(all, one)
	}
	return all
}

// Open adds a pull request as somebody else would make it, and returns its number.
func (s *Server) Open(p Pull) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Number, p.State, p.created = len(s.pulls)+1, "open", s.now
	s.pulls = append(s.pulls, &p)
	return p.Number
}

// Close closes a pull request as a person would.
func (s *Server) Close(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pulls[number-1]
	p.State, p.closed = "closed", s.now
}

// Merge merges a pull request with a merge commit, and returns that.
func (s *Server) Merge(number int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Second)
	p := s.pulls[number-1]
	head, base := s.refs["refs/heads/"+p.Head], s.refs["refs/heads/"+p.Base]
	p.Merge = s.addCommit(s.commits[head].tree, "Merge "+p.Head, []string{base, head})
	s.refs["refs/heads/"+p.Base] = p.Merge
	p.State, p.mergedAt, p.closed = "closed", s.now, s.now
	return p.Merge
}
