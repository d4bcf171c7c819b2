package githubfake

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

func (s *Server) refJSON(r *request, name string) map[string]any {
	sha := s.refs[name]
	return map[string]any{"ref": name, "node_id": "REF_1", "url": r.api + "/git/" + name,
		"object": map[string]any{"type": "commit", "sha": sha, "url": r.api + "/git/commits/" + sha}}
}

func (s *Server) getRef(r *request) (int, any) {
	name := "refs/" + r.PathValue("ref")
	if _, ok := s.refs[name]; !ok {
		return refuse(404, "Not Found")
	}
	return 200, s.refJSON(r, name)
}

func (s *Server) createRef(r *request) (int, any) {
	var in struct{ Ref, SHA string }
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	switch {
	case !validRef(in.Ref):
		return refuse(422, in.Ref+" is not a valid ref name.")
	case s.refs[in.Ref] != "":
		return refuse(422, "Reference already exists")
	case s.commits[in.SHA] == nil:
		return refuse(422, "Object does not exist")
	}
	s.refs[in.Ref] = in.SHA
	return 201, s.refJSON(r, in.Ref)
}

func (s *Server) updateRef(r *request) (int, any) {
	var in struct {
		SHA   string
		Force bool
	}
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	name := "refs/" + r.PathValue("ref")
	switch {
	case s.refs[name] == "":
		return refuse(422, "Reference does not exist")
	case s.commits[in.SHA] == nil:
		return refuse(422, "Object does not exist")
	case !in.Force && !s.ancestor(s.refs[name], in.SHA):
		return refuse(422, "Update is not a fast forward")
	}
	s.refs[name] = in.SHA
	return 200, s.refJSON(r, name)
}

func (s *Server) deleteRef(r *request) (int, any) {
	name := "refs/" + r.PathValue("ref")
	if s.refs[name] == "" {
		return refuse(422, "Reference does not exist")
	}
	delete(s.refs, name)
	for _, p := range s.pulls { // which have lost what they propose
		if p.State == "open" && "refs/heads/"+p.Head == name {
			p.State, p.closed = "closed", s.now
		}
	}
	return 204, nil
}

func (s *Server) commitJSON(r *request, sha string) map[string]any {
	c := s.commits[sha]
	parents := []any{}
	for _, p := range c.parents {
		parents = append(parents, map[string]any{"sha": p, "url": r.api + "/git/commits/" + p, "html_url": someURL + p})
	}
	person := map[string]any{"name": "fake", "email": "fake@github.example", "date": c.at.Format("2006-01-02T15:04:05Z")}
	return map[string]any{
		"sha": sha, "node_id": "C_1", "url": r.api + "/git/commits/" + sha, "html_url": someURL + sha, "author": person, "committer": person,
		"message": c.message, "tree": map[string]any{"sha": c.tree, "url": r.api + "/git/trees/" + c.tree}, "parents": parents,
		"verification": map[string]any{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil},
	}
}

func (s *Server) getCommit(r *request) (int, any) {
	if s.commits[r.PathValue("sha")] == nil {
		return refuse(404, "Not Found")
	}
	return 200, s.commitJSON(r, r.PathValue("sha"))
}

func (s *Server) createCommit(r *request) (int, any) {
	var in struct {
		Message, Tree string
		Parents       []string
	}
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	if s.trees[in.Tree] == nil {
		return refuse(422, "Tree SHA does not exist")
	}
	for _, p := range in.Parents {
		if s.commits[p] == nil {
			return refuse(422, "Parent SHA does not exist or is not a commit object")
		}
	}
	return 201, s.commitJSON(r, s.addCommit(in.Tree, in.Message, in.Parents))
}

func (s *Server) treeJSON(r *request, sha string) map[string]any {
	entries := []any{}
	for _, path := range slices.Sorted(maps.Keys(s.trees[sha])) {
		e := s.trees[sha][path]
		entries = append(entries, map[string]any{"path": path, "mode": e.mode, "type": "blob", "sha": e.sha, "size": len(s.blobs[e.sha]), "url": r.api + "/git/blobs/" + e.sha})
	}
	return map[string]any{"sha": sha, "url": r.api + "/git/trees/" + sha, "tree": entries, "truncated": false}
}

// getTree knows the trees of commits only, and lists them only with everything below.
func (s *Server) getTree(r *request) (int, any) {
	if s.trees[r.PathValue("sha")] == nil || r.URL.Query().Get("recursive") == "" {
		return refuse(404, "Not Found")
	}
	return 200, s.treeJSON(r, r.PathValue("sha"))
}

func (s *Server) createTree(r *request) (int, any) {
	var in struct {
		BaseTree string `json:"base_tree"`
		Tree     []struct{ Path, Mode, Type, SHA string }
	}
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	all := tree{}
	if in.BaseTree != "" {
		if s.trees[in.BaseTree] == nil {
			return refuse(422, "base_tree is not a valid tree")
		}
		all = maps.Clone(s.trees[in.BaseTree])
	}
	if len(in.Tree) == 0 {
		return refuse(422, "Invalid tree info")
	}
	for _, e := range in.Tree {
		if !validPath(e.Path) {
			return refuse(422, "tree.path contains a malformed path component")
		}
		if e.Type != "blob" || e.Mode != "100644" || s.blobs[e.SHA] == nil {
			return refuse(422, "tree.sha "+e.SHA+" is not a valid blob")
		}
		all[e.Path] = entry{e.Mode, e.SHA}
	}
	return 201, s.treeJSON(r, s.addTree(all))
}

// validPath reports whether a path is one that Git takes into a tree.
func validPath(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}

func (s *Server) getBlob(r *request) (int, any) {
	sha := r.PathValue("sha")
	text, ok := s.blobs[sha]
	if !ok {
		return refuse(404, "Not Found")
	}
	return 200, map[string]any{"sha": sha, "node_id": "B_1", "url": r.api + "/git/blobs/" + sha, "size": len(text),
		"content": lines(base64.StdEncoding.EncodeToString(text)), "encoding": "base64"}
}

// lines breaks base64 as GitHub does.
func lines(text string) string {
	var b strings.Builder
	for part := range slices.Chunk([]byte(text), 60) {
		b.Write(append(part[:len(part):len(part)], '\n'))
	}
	return b.String()
}

func (s *Server) createBlob(r *request) (int, any) {
	var in struct{ Content, Encoding string }
	if err := r.read(&in); err != nil {
		return bad(err)
	}
	text := []byte(in.Content)
	switch in.Encoding {
	case "", "utf-8":
	case "base64":
		var err error
		if text, err = base64.StdEncoding.DecodeString(in.Content); err != nil {
			return refuse(422, "content is not valid Base64")
		}
	default:
		return refuse(422, "encoding is not known")
	}
	sha := s.addBlob(text)
	return 201, map[string]any{"sha": sha, "url": r.api + "/git/blobs/" + sha}
}
