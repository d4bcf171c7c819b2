package release

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/githubapi"
	"github.com/respin-project/respin/internal/hint"
)

// Tag tags the release that a merged pull request decided, as
// release/BATCH/YYYYMMDD.NUMBER by the day of the merge, on the merge's commit.
func Tag(ctx context.Context, r *githubapi.Repository, number int) (*Result, error) {
	pull, result, err := merged(ctx, r, number)
	if err != nil {
		return nil, err
	}
	if labelled(pull, Tagged) || labelled(pull, Published) {
		result.Action = None
	} else {
		result.Action = Tagging
	}
	if err := tag(ctx, r, result.Tag, result.Commit); err != nil {
		return nil, err
	}
	if labelled(pull, Published) {
		return result, nil
	}
	return result, advance(ctx, r, pull, Pending, Tagged)
}

// MarkPublished notes that what a pull request decided was published.
func MarkPublished(ctx context.Context, r *githubapi.Repository, number int) (*Result, error) {
	pull, result, err := merged(ctx, r, number)
	if err != nil {
		return nil, err
	}
	result.Action = Publishing
	switch {
	case labelled(pull, Published):
		result.Action = None
	case !labelled(pull, Tagged):
		return nil, hint.Wrap(fmt.Errorf("the pull request #%d is not tagged", number), "tag it first, with release-pr --tag %d", number)
	}
	return result, advance(ctx, r, pull, Tagged, Published)
}

// advance moves a pull request from one label to the next. One that was
// stopped in between has both, and is brought on by the next run.
func advance(ctx context.Context, r *githubapi.Repository, pull *github.PullRequest, from, to string) error {
	if _, err := label(ctx, r, pull, to); err != nil {
		return err
	}
	return unlabel(ctx, r, pull, from)
}

// merged returns a pull request of ours that was merged. Nobody else's branch
// of that name counts: a fork's could bring anything.
func merged(ctx context.Context, r *githubapi.Repository, number int) (*github.PullRequest, *Result, error) {
	pull, _, err := r.PullRequests.Get(ctx, r.Owner, r.Name, number)
	if err != nil {
		return nil, nil, r.Explain(fmt.Sprintf("reading the pull request #%d", number), err)
	}
	branch := pull.GetHead().GetRef()
	batch, ok := strings.CutPrefix(branch, branchPrefix)
	if !ok || CheckName(batch) != nil || !from(r, pull, branch) {
		return nil, nil, hint.Wrap(fmt.Errorf("the pull request #%d is no release of this repository: it comes from %q", number, pull.GetHead().GetLabel()), "releases come from branches called %sBATCH", branchPrefix)
	}
	if !pull.GetMerged() || pull.GetMergeCommitSHA() == "" {
		return nil, nil, hint.Wrap(fmt.Errorf("the pull request #%d is not merged", number), "its merge is the decision to publish: nothing is done before that")
	}
	name := fmt.Sprintf("release/%s/%s.%d", batch, pull.GetMergedAt().UTC().Format("20060102"), number)
	return pull, &Result{Batch: batch, Number: number, URL: pull.GetHTMLURL(), Tag: name, Commit: pull.GetMergeCommitSHA()}, nil
}

// tag makes a tag, unless it is there.
func tag(ctx context.Context, r *githubapi.Repository, name, sha string) error {
	ref := "refs/tags/" + name
	_, _, err := r.Git.CreateRef(ctx, r.Owner, r.Name, &github.Reference{Ref: &ref, Object: &github.GitObject{SHA: &sha}})
	doing := fmt.Sprintf("making the tag %q", name)
	if !githubapi.Is(err, http.StatusUnprocessableEntity) {
		return r.Explain(doing, err)
	}
	now, _, lookErr := r.Git.GetRef(ctx, r.Owner, r.Name, ref)
	if githubapi.Is(lookErr, http.StatusNotFound) {
		return r.Explain(doing, err)
	}
	if lookErr != nil {
		return r.Explain(doing, lookErr)
	}
	if at := now.GetObject().GetSHA(); at != sha {
		return hint.Wrap(fmt.Errorf("the tag %q names %s, not the merge %s", name, at, sha), "somebody made or moved it: remove it if it is wrong, and run this again")
	}
	return nil
}
