package githubfake

import (
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
	sha := t.name("")
	s.trees[sha] = t
	return sha
}

// name is the name of the tree of what is below a folder, which ends in a slash or is empty.
func (t tree) name(folder string) string {
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
			entries[first+"/"] = "40000 " + first + "\x00" + binary(t.name(folder+first+"/"))
		}
	}
	var all strings.Builder
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		all.WriteString(entries[key])
	}
	return name("tree", []byte(all.String()))
}

func binary(sha string) string {
	b, err := hex.DecodeString(sha)
	if err != nil {
		panic(err) // names are made here
	}
	return string(b)
}

func (s *Server) addCommit(tree, message string, parents []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author fake <fake@github.example> %[1]d +0000\ncommitter fake <fake@github.example> %[1]d +0000\n\n%[2]s", s.now.Unix(), message)
	sha := name("commit", []byte(b.String()))
	s.commits[sha] = &commit{tree, message, parents, s.now}
	return sha
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
	s.now = s.now.Add(time.Second)
	t, parents := tree{}, []string(nil)
	if at := s.refs["refs/heads/"+branch]; at != "" {
		t, parents = maps.Clone(s.trees[s.commits[at].tree]), []string{at}
	}
	for path, text := range files {
		t[path] = entry{"100644", s.addBlob([]byte(text))}
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
