package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/githubapi"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/markdown"
	"github.com/respin-project/respin/internal/plan"
	"github.com/respin-project/respin/internal/report"
)

// What happened to a pull request.
const (
	Created    = "created"
	Updated    = "updated"
	Closed     = "closed"    // the base has the locks already
	None       = "none"      // there was nothing to do
	Tagging    = "tagged"    // --tag
	Publishing = "published" // --published
)

// A Result says what was done to which pull request.
type Result struct {
	Action string `json:"action"`
	Batch  string `json:"batch"`
	Number int    `json:"number,omitempty"` // 0 if there is none
	URL    string `json:"url,omitempty"`
	Tag    string `json:"tag,omitempty"`
	Commit string `json:"commit,omitempty"` // that the tag names

	Matrix *plan.Matrix `json:"matrix,omitempty"` // jobs that build what was tagged
}

// A Change is a file that a pull request writes.
type Change struct {
	Path string `json:"path"`
	Size int    `json:"size"` // bytes
	SHA  string `json:"sha"`  // Git's name of the content

	text []byte
}

// A Proposal is a batch on its way to a pull request.
type Proposal struct {
	Repository *githubapi.Repository
	Batch      *Batch
	Base       string // the branch that the pull request goes to
	Run        string // URL of the workflow run that tested it; may be empty
	Report     *report.Report

	Title, Body string
	Changes     []Change

	base    *commit
	message string
	wanted  files
	marker  string
}

// Prepare reads what the base branch has and writes the pull request's text.
// It sends nothing. An empty Base becomes the repository's default branch.
func (p *Proposal) Prepare(ctx context.Context) error {
	r := p.Repository
	if p.Base == "" {
		about, _, err := r.Repositories.Get(ctx, r.Owner, r.Name)
		if err != nil {
			return r.Explain("looking for the repository "+r.FullName(), err)
		}
		p.Base = about.GetDefaultBranch()
	}
	if p.Base == p.Batch.Branch() {
		return fmt.Errorf("the branch %q cannot be proposed to itself", p.Base)
	}
	var err error
	if p.base, err = head(ctx, r, p.Base); err != nil {
		return err
	}
	if p.base == nil {
		return hint.Wrap(fmt.Errorf("%s has no branch %q", r.FullName(), p.Base), "name one with --base; GitHub also says so of what the token may not see")
	}
	if err := p.base.list(ctx, r); err != nil {
		return err
	}
	if !p.Due() {
		return nil
	}
	notes, err := p.notes(ctx)
	if err != nil {
		return err
	}
	return p.compose(notes)
}

// Due reports whether the base lacks one of the locks.
func (p *Proposal) Due() bool {
	return slices.ContainsFunc(p.Batch.Images, func(i *Image) bool { return !p.base.files.has(i.Path, i.Text) })
}

// recordPath and notesPath are a batch's files beside the locks.
func recordPath(batch string) string { return Folder + "/" + batch + ".json" }
func notesPath(batch string) string  { return Folder + "/" + batch + ".md" }

// notes compares the batch with what the base branch has. What cannot be read
// there is no reason not to replace it.
func (p *Proposal) notes(ctx context.Context) (*Notes, error) {
	n := &Notes{Batch: p.Batch, Old: map[string]*lock.Lock{}}
	text, err := p.base.read(ctx, p.Repository, recordPath(p.Batch.Name))
	if err != nil {
		return nil, err
	}
	if text != nil {
		if n.Before, err = ParseRecord(text); err != nil {
			p.Report.Warn(report.Place{}, "%s of the repository is passed over: %v", recordPath(p.Batch.Name), err)
		}
	}
	for _, i := range p.Batch.Images {
		if p.base.files.has(i.Path, i.Text) {
			n.Old[i.Path] = i.Lock
			continue
		}
		text, err := p.base.read(ctx, p.Repository, i.Path)
		if err != nil {
			return nil, err
		}
		if text == nil {
			continue
		}
		old, err := lock.Parse(text)
		if err != nil {
			p.Report.Warn(report.Place{}, "%s of the repository is passed over: %v", i.Path, err)
			continue
		}
		n.Old[i.Path] = old
	}
	n.compare()
	return n, nil
}

// mostBody is how long GitHub lets the body of a pull request be, in
// characters. Bytes are counted here, of which there are never fewer.
const mostBody = 65536

// compose writes everything that is sent.
func (p *Proposal) compose(n *Notes) error {
	notes, err := n.Text("")
	if err != nil {
		return err
	}
	record, err := p.Batch.Record().Text()
	if err != nil {
		return err
	}
	texts := map[string][]byte{notesPath(p.Batch.Name): []byte(notes), recordPath(p.Batch.Name): record}
	for _, i := range p.Batch.Images {
		texts[i.Path] = i.Text
	}
	if p.wanted, err = p.base.files.with(texts); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		if !p.base.files.has(path, texts[path]) {
			p.Changes = append(p.Changes, Change{path, len(texts[path]), blobSHA(texts[path]), texts[path]})
		}
	}
	p.Title = n.Title()
	p.message = p.Title + "\n\nBuilt and tested together:\n\n"
	for _, i := range p.Batch.Images {
		p.message += fmt.Sprintf("- %s\n", i.Image.ID())
	}
	p.message = strings.TrimSuffix(p.message, "\n")
	text, err := n.Text(p.Batch.Branch())
	if err != nil {
		return err
	}
	p.marker = marker(p.locks(), p.Title+"\n"+text)
	run := ""
	if p.Run != "" {
		run = fmt.Sprintf("\nBuilt and tested by [this run](%s), which keeps the images for a while.\n", p.Run)
	}
	more := fmt.Sprintf(", because GitHub takes %d characters; `%s` in this pull request has all of them.", mostBody, notesPath(p.Batch.Name))
	p.Body = markdown.Cut(text, mostBody-len(run)-len(p.marker), more) + run + p.marker
	return nil
}

// locks is the digest of the locks with their paths.
func (p *Proposal) locks() string {
	var all strings.Builder
	for _, i := range p.Batch.Images {
		fmt.Fprintf(&all, "%s %s\n", i.Path, i.Build.Lock)
	}
	return cache.SHA256([]byte(all.String())).String()
}

// A marker in a pull request's body tells which locks it proposed, and from
// what its text was made, so that neither what people write into it nor what
// differs from run to run counts as a change.
func marker(locks, text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("\n<!-- respin locks=%s text=sha256:%s -->\n", locks, hex.EncodeToString(sum[:]))
}

var markers = regexp.MustCompile(`<!-- respin locks=(sha256:[0-9a-f]{64}) text=sha256:[0-9a-f]{64} -->`)

// Send brings the pull request to what was prepared.
func (p *Proposal) Send(ctx context.Context) (*Result, error) {
	pull, err := p.find(ctx)
	if err != nil {
		return nil, err
	}
	if !p.Due() {
		return p.close(ctx, pull)
	}
	if pull == nil {
		declined, err := p.declined(ctx)
		if err != nil {
			return nil, err
		}
		if declined != nil {
			p.Report.Printf("#%d proposed the same locks and was closed: open it again to have it updated", declined.GetNumber())
			return p.result(None, declined), nil
		}
	}
	moved, err := p.push(ctx)
	if err != nil {
		return nil, err
	}
	action := Created
	if pull == nil {
		if pull, action, err = p.open(ctx); err != nil {
			return nil, err
		}
	} else if action = None; moved {
		action = Updated
	}
	edited, err := p.edit(ctx, pull)
	if err != nil {
		return nil, err
	}
	labelled, err := label(ctx, p.Repository, pull, Pending)
	if err != nil {
		return nil, err
	}
	if action == None && (edited || labelled) {
		action = Updated
	}
	return p.result(action, pull), nil
}

func (p *Proposal) result(action string, pull *github.PullRequest) *Result {
	return &Result{Action: action, Batch: p.Batch.Name, Number: pull.GetNumber(), URL: pull.GetHTMLURL()}
}

// push makes the commit and the branch, unless they are as they should be.
func (p *Proposal) push(ctx context.Context) (moved bool, err error) {
	r := p.Repository
	now, err := head(ctx, r, p.Batch.Branch())
	if err != nil {
		return false, err
	}
	if now != nil && slices.Equal(now.parents, []string{p.base.sha}) && now.message == p.message {
		if err := now.list(ctx, r); err != nil {
			return false, err
		}
		if maps.Equal(now.files, p.wanted) {
			return false, nil
		}
	}
	sha, err := write(ctx, r, p.base, p.Changes, p.message)
	if err != nil {
		return false, err
	}
	return true, point(ctx, r, p.Batch.Branch(), sha, now != nil)
}
