package release

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/githubapi"
	"github.com/respin-project/respin/internal/hint"
)

// A commit is one of the repository, with its tree.
type commit struct {
	sha, tree, message string
	parents            []string
	files              files
}

// files are what a tree holds, but for folders: what each path has.
type files map[string]object

type object struct{ mode, sha string }

const plainFile = "100644"

// head returns the commit at the end of a branch, nil if there is no such branch.
func head(ctx context.Context, r *githubapi.Repository, branch string) (*commit, error) {
	ref, _, err := r.Git.GetRef(ctx, r.Owner, r.Name, "refs/heads/"+branch)
	if githubapi.Is(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, r.Explain(fmt.Sprintf("reading the branch %q", branch), err)
	}
	return get(ctx, r, ref.GetObject().GetSHA(), fmt.Sprintf("reading the commit of the branch %q", branch))
}

// get returns a commit. doing says what for.
func get(ctx context.Context, r *githubapi.Repository, sha, doing string) (*commit, error) {
	c, _, err := r.Git.GetCommit(ctx, r.Owner, r.Name, sha)
	if err != nil {
		return nil, r.Explain(doing, err)
	}
	got := &commit{sha: c.GetSHA(), tree: c.GetTree().GetSHA(), message: c.GetMessage()}
	for _, p := range c.Parents {
		got.parents = append(got.parents, p.GetSHA())
	}
	return got, nil
}

// list reads a commit's tree.
func (c *commit) list(ctx context.Context, r *githubapi.Repository) error {
	tree, _, err := r.Git.GetTree(ctx, r.Owner, r.Name, c.tree, true)
	if err != nil {
		return r.Explain("reading the repository's files", err)
	}
	if tree.GetTruncated() {
		return hint.Wrap(fmt.Errorf("reading the repository's files: %s has more than GitHub lists at once", r.FullName()), "keep the specs in a repository of their own")
	}
	c.files = files{}
	for _, e := range tree.Entries {
		if e.GetType() != "tree" {
			c.files[e.GetPath()] = object{e.GetMode(), e.GetSHA()}
		}
	}
	return nil
}

// with returns the files as they are after others were written.
func (f files) with(texts map[string][]byte) (files, error) {
	all := maps.Clone(f)
	for path, text := range texts {
		if err := CheckPath(path); err != nil {
			return nil, err
		}
		if o, ok := f[path]; ok && !strings.HasPrefix(o.mode, "100") {
			return nil, fmt.Errorf("%q is not a file in the repository but a link or submodule", path)
		}
		for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
			if _, ok := f[path[:at]]; ok {
				return nil, fmt.Errorf("%q cannot be written: %q is not a folder in the repository", path, path[:at])
			}
		}
		all[path] = object{plainFile, blobSHA(text)}
	}
	return all, nil
}

// has reports whether the files hold a text at a path.
func (f files) has(path string, text []byte) bool { return f[path].sha == blobSHA(text) }

// blobSHA is the name that Git gives a file's content, as long as its objects are named with SHA-1.
func blobSHA(text []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(text))
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// read returns the content of a file, nil if there is none.
func (c *commit) read(ctx context.Context, r *githubapi.Repository, path string) ([]byte, error) {
	o, ok := c.files[path]
	if !ok {
		return nil, nil
	}
	doing := fmt.Sprintf("reading %q of the repository", path)
	blob, _, err := r.Git.GetBlob(ctx, r.Owner, r.Name, o.sha)
	if err != nil {
		return nil, r.Explain(doing, err)
	}
	if blob.GetEncoding() != "base64" {
		return []byte(blob.GetContent()), nil
	}
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(blob.GetContent(), "\n", ""))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return text, nil
}

// write makes a commit of files on top of a base, and returns its name. Nothing points at it yet.
func write(ctx context.Context, r *githubapi.Repository, base *commit, changes []Change, message string) (string, error) {
	var entries []*github.TreeEntry
	for _, c := range changes {
		blob, _, err := r.Git.CreateBlob(ctx, r.Owner, r.Name, &github.Blob{Content: new(base64.StdEncoding.EncodeToString(c.text)), Encoding: new("base64")})
		if err != nil {
			return "", r.Explain(fmt.Sprintf("sending %q", c.Path), err)
		}
		entries = append(entries, &github.TreeEntry{Path: new(c.Path), Mode: new(plainFile), Type: new("blob"), SHA: blob.SHA})
	}
	tree, _, err := r.Git.CreateTree(ctx, r.Owner, r.Name, base.tree, entries)
	if err != nil {
		return "", r.Explain("making the tree of the commit", err)
	}
	// Without an author, GitHub takes the token's owner and signs the commit.
	made, _, err := r.Git.CreateCommit(ctx, r.Owner, r.Name, &github.Commit{Message: &message, Tree: tree, Parents: []*github.Commit{{SHA: &base.sha}}}, nil)
	if err != nil {
		return "", r.Explain("making the commit", err)
	}
	return made.GetSHA(), nil
}

// point makes a branch end at a commit, wherever it ended before. exists says
// whether it was seen: another run may make or remove it in between.
func point(ctx context.Context, r *githubapi.Repository, branch, sha string, exists bool) error {
	name := "refs/heads/" + branch
	ref := &github.Reference{Ref: &name, Object: &github.GitObject{SHA: &sha}}
	doing := fmt.Sprintf("moving the branch %q", branch)
	if !exists {
		_, _, err := r.Git.CreateRef(ctx, r.Owner, r.Name, ref)
		// A request whose answer was lost has made it; that one is moved all the same.
		if !githubapi.Is(err, http.StatusUnprocessableEntity) {
			return r.Explain(fmt.Sprintf("making the branch %q", branch), err)
		}
	}
	_, _, err := r.Git.UpdateRef(ctx, r.Owner, r.Name, ref, true)
	return r.Explain(doing, err)
}
