package release

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/githubapi"
)

// The labels that say how far a release has come.
const (
	Pending   = "release: pending"
	Tagged    = "release: tagged"
	Published = "release: published"
)

// find returns the open pull request of the batch, nil if there is none.
func (p *Proposal) find(ctx context.Context) (*github.PullRequest, error) {
	all, err := p.pulls(ctx, "open")
	if err != nil || len(all) == 0 {
		return nil, err
	}
	at := slices.IndexFunc(all, func(pull *github.PullRequest) bool { return pull.GetBase().GetRef() == p.Base })
	return all[max(at, 0)], nil
}

// declined returns the last pull request of the batch if somebody closed it
// although it proposed these very locks.
func (p *Proposal) declined(ctx context.Context) (*github.PullRequest, error) {
	all, err := p.pulls(ctx, "closed")
	if err != nil || len(all) == 0 {
		return nil, err
	}
	said := markers.FindStringSubmatch(all[0].GetBody())
	if all[0].MergedAt == nil && said != nil && said[1] == p.locks() {
		return all[0], nil
	}
	return nil, nil
}

// pulls returns the newest pull requests from the batch's branch. GitHub lists
// all there are where it does not understand which are asked for, and a fork
// may have a branch of the same name.
func (p *Proposal) pulls(ctx context.Context, state string) ([]*github.PullRequest, error) {
	r := p.Repository
	all, _, err := r.PullRequests.List(ctx, r.Owner, r.Name, &github.PullRequestListOptions{
		State: state, Head: r.Owner + ":" + p.Batch.Branch(), Sort: "created", Direction: "desc", ListOptions: github.ListOptions{PerPage: 100},
	})
	if err != nil {
		return nil, r.Explain("looking for the pull request", err)
	}
	return slices.DeleteFunc(all, func(pull *github.PullRequest) bool { return !from(r, pull, p.Batch.Branch()) }), nil
}

// from reports whether a pull request comes from a branch of this very repository.
func from(r *githubapi.Repository, pull *github.PullRequest, branch string) bool {
	return pull.GetHead().GetRef() == branch && strings.EqualFold(pull.GetHead().GetRepo().GetFullName(), r.FullName())
}

// open makes the pull request. GitHub may have made it although its answer
// says otherwise or never came, and so may another run: so it is looked for
// before it is asked for again.
func (p *Proposal) open(ctx context.Context) (*github.PullRequest, string, error) {
	r := p.Repository
	for attempt := 1; ; attempt++ {
		pull, _, err := r.PullRequests.Create(githubapi.Once(ctx), r.Owner, r.Name, &github.NewPullRequest{
			Title: &p.Title, Head: new(p.Batch.Branch()), Base: &p.Base, Body: &p.Body,
		})
		if err == nil {
			return pull, Created, nil
		}
		again := r.Pause(ctx, err, attempt)
		found, lost := p.find(ctx)
		switch {
		case found != nil && githubapi.Is(err, http.StatusUnprocessableEntity):
			return found, Updated, nil
		case found != nil:
			return found, Created, nil
		case !again:
			return nil, "", r.Explain("opening the pull request", err)
		case lost != nil:
			return nil, "", lost
		}
	}
}

// edit brings the pull request's text up to date.
func (p *Proposal) edit(ctx context.Context, pull *github.PullRequest) (bool, error) {
	if pull.GetTitle() == p.Title && pull.GetBase().GetRef() == p.Base && strings.Contains(normal(pull.GetBody()), strings.TrimSpace(p.marker)) {
		return false, nil
	}
	r := p.Repository
	change := &github.PullRequest{Title: &p.Title, Body: &p.Body}
	if pull.GetBase().GetRef() != p.Base {
		change.Base = &github.PullRequestBranch{Ref: &p.Base}
	}
	_, _, err := r.PullRequests.Edit(ctx, r.Owner, r.Name, pull.GetNumber(), change)
	return true, r.Explain(fmt.Sprintf("changing the pull request #%d", pull.GetNumber()), err)
}

func normal(body string) string { return strings.ReplaceAll(body, "\r\n", "\n") }

// close closes the pull request of locks that the base has already, if it is
// open, and removes its branch, which also a run that was stopped or a merge may have left.
func (p *Proposal) close(ctx context.Context, pull *github.PullRequest) (*Result, error) {
	r, branch := p.Repository, p.Batch.Branch()
	action := None
	if pull != nil {
		action = Closed
		// Without its marker it does not count as declined, should the base ever lose these locks.
		body := markers.ReplaceAllString(pull.GetBody(), "")
		if _, _, err := r.PullRequests.Edit(ctx, r.Owner, r.Name, pull.GetNumber(), &github.PullRequest{State: new("closed"), Body: &body}); err != nil {
			return nil, r.Explain(fmt.Sprintf("closing the pull request #%d", pull.GetNumber()), err)
		}
	}
	if _, _, err := r.Git.GetRef(ctx, r.Owner, r.Name, "refs/heads/"+branch); githubapi.Is(err, http.StatusNotFound) {
		return p.result(action, pull), nil
	} else if err != nil {
		return nil, r.Explain(fmt.Sprintf("reading the branch %q", branch), err)
	}
	_, err := r.Git.DeleteRef(ctx, r.Owner, r.Name, "refs/heads/"+branch)
	if err != nil && !githubapi.Is(err, http.StatusUnprocessableEntity) && !githubapi.Is(err, http.StatusNotFound) { // it is gone
		return nil, r.Explain(fmt.Sprintf("removing the branch %q", branch), err)
	}
	return p.result(action, pull), nil
}

// label gives a pull request one of the labels. Others stay.
func label(ctx context.Context, r *githubapi.Repository, pull *github.PullRequest, name string) (bool, error) {
	if labelled(pull, name) {
		return false, nil
	}
	// The library sends a bare list, which GitHub's description of its API no longer has.
	request, err := r.NewRequest(http.MethodPost, fmt.Sprintf("repos/%s/issues/%d/labels", r.FullName(), pull.GetNumber()), map[string][]string{"labels": {name}})
	if err != nil {
		return false, err
	}
	_, err = r.Do(ctx, request, nil)
	return true, r.Explain(fmt.Sprintf("labelling the pull request #%d %q", pull.GetNumber(), name), err)
}

// unlabel takes a label from a pull request.
func unlabel(ctx context.Context, r *githubapi.Repository, pull *github.PullRequest, name string) error {
	if !labelled(pull, name) {
		return nil
	}
	// The library would leave the space as it is.
	_, err := r.Issues.RemoveLabelForIssue(ctx, r.Owner, r.Name, pull.GetNumber(), url.PathEscape(name))
	if githubapi.Is(err, http.StatusNotFound) { // the label is gone, or the token may not see it
		now, _, lookErr := r.PullRequests.Get(ctx, r.Owner, r.Name, pull.GetNumber())
		if lookErr == nil && !labelled(now, name) {
			return nil
		}
	}
	return r.Explain(fmt.Sprintf("taking the label %q from the pull request #%d", name, pull.GetNumber()), err)
}

func labelled(pull *github.PullRequest, name string) bool {
	return slices.ContainsFunc(pull.Labels, func(l *github.Label) bool { return strings.EqualFold(l.GetName(), name) })
}
