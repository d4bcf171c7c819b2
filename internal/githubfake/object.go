package githubfake

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A tree has all files of a repository by their paths.
type tree map[string]entry

type entry struct{ mode, sha string }

type commit struct {
	tree, message string
	parents       []string
	at            time.Time
}

// name is what Git calls an object.
func name(kind string, content []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

func (s *Server) addBlob(text []byte) string {
	sha := name("blob", text)
	if text == nil {
		text = []byte{}
	}
	s.blobs[sha] = text
	return sha
}

func (s *Server) addTree(t tree) string {
	sha := t.put("", name)
	s.trees[sha] = t
	return sha
}

// put hands the tree of what is below a folder, which ends in a slash or is
// empty, and all trees in that to a function that names them, and returns its name.
func (t tree) put(folder string, object func(kind string, content []byte) string) string {
	entries := map[string]string{} // by what Git sorts them by
	for path, e := range t {
		rest, ok := strings.CutPrefix(path, folder)
		if !ok {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		switch {
		case !deeper:
			entries[first] = e.mode + " " + first + "\x00" + binary(e.sha)
		case entries[first+"/"] == "":
			entries[first+"/"] = "40000 " + first + "\x00" + binary(t.put(folder+first+"/", object))
		}
	}
	var all strings.Builder
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		all.WriteString(entries[key])
	}
	return object("tree", []byte(all.String()))
}

func binary(sha string) string {
	b, err := hex.DecodeString(sha)
	if err != nil {
		panic(err) // names are made here
	}
	return string(b)
}

func (s *Server) addCommit(tree, message string, parents []string) string {
	c := &commit{tree, message, parents, s.now}
	sha := name("commit", c.text())
	s.commits[sha] = c
	return sha
}

// text is the commit as Git keeps it.
func (c *commit) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", c.tree)
	for _, p := range c.parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author fake <fake@github.example> %[1]d +0000\ncommitter fake <fake@github.example> %[1]d +0000\n\n%[2]s", c.at.Unix(), c.message)
	return b.Bytes()
}

// ancestor reports whether a commit is in the history of another.
func (s *Server) ancestor(old, of string) bool {
	if old == of {
		return true
	}
	return s.commits[of] != nil && slices.ContainsFunc(s.commits[of].parents, func(p string) bool { return s.ancestor(old, p) })
}

// Push commits files on a branch, as a git push would, and returns the commit's name.
func (s *Server) Push(branch string, files map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := tree{}
	if at := s.refs["refs/heads/"+branch]; at != "" {
		t = maps.Clone(s.trees[s.commits[at].tree])
	}
	return s.commit(branch, s.refs["refs/heads/"+branch], t, files)
}

// Branch makes a branch end in one commit on top of another branch's, which
// has those files and no others, and returns the commit's name.
func (s *Server) Branch(branch, from string, files map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(branch, s.refs["refs/heads/"+from], tree{}, files)
}

func (s *Server) commit(branch, parent string, t tree, files map[string]string) string {
	s.now = s.now.Add(time.Second)
	for path, text := range files {
		mode := "100644"
		if strings.HasPrefix(text, "#!") { // that is all that is known of it
			mode = "100755"
		}
		t[path] = entry{mode, s.addBlob([]byte(text))}
	}
	var parents []string
	if parent != "" {
		parents = []string{parent}
	}
	sha := s.addCommit(s.addTree(t), "push", parents)
	s.refs["refs/heads/"+branch] = sha
	return sha
}

// Refs returns the references and the commits that they name.
func (s *Server) Refs() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refs)
}

// Parents returns the parents of a commit.
func (s *Server) Parents(sha string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits[sha].parents
}

// Files returns the files of a branch; nil if there is none.
func (s *Server) Files(branch string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.commits[s.refs["refs/heads/"+branch]]
	if c == nil {
		return nil
	}
	files := map[string]string{}
	for path, e := range s.trees[c.tree] {
		files[path] = string(s.blobs[e.sha])
	}
	return files
}
