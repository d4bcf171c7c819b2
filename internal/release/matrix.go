package release

import (
	"context"
	"fmt"
	"net/http"

	"github.com/respin-project/respin/internal/githubapi"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/plan"
)

// Images reads which images a tagged release consists of, as jobs that build
// them from their locks.
func Images(ctx context.Context, r *githubapi.Repository, result *Result) (*plan.Matrix, error) {
	path := recordPath(result.Batch)
	doing := fmt.Sprintf("reading %q at %s", path, result.Commit)
	c, err := get(ctx, r, result.Commit, doing)
	if err != nil {
		return nil, err
	}
	if err := c.list(ctx, r); err != nil {
		return nil, err
	}
	text, err := c.read(ctx, r, path)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, hint.Wrap(fmt.Errorf("%s: %s", doing, http.StatusText(http.StatusNotFound)), "somebody removed it: let the images be proposed again")
	}
	record, err := ParseRecord(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return record.matrix()
}

func (r *Record) matrix() (*plan.Matrix, error) {
	m := &plan.Matrix{Include: []plan.Job{}}
	for _, i := range r.Images {
		for _, p := range []string{i.Spec, i.Lock} {
			if err := CheckPath(p); err != nil {
				return nil, fmt.Errorf("%s: %w", i.Image.ID(), err)
			}
		}
		err := m.AddJob(plan.Job{ID: i.Image.ID(), Name: i.Image.Name, Version: i.Image.Version, Release: i.Image.Release, Arch: i.Image.Arch, Spec: i.Spec, Lock: i.Lock, Locked: true})
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}
