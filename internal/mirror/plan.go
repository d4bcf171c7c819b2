package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/report"
)

// A Job brings a destination to a state: that of images, or of a finished tree.
type Job struct {
	Destination Destination
	Release     *Release
	Images      []Image // to publish; with Tree they are ignored
	Tree        []File  // of a finished tree
	IsTree      bool
	Delete      bool // what the tree does not have goes, too
	Checksum    bool // data is compared by its content, too
	Grace       time.Duration
	Now         time.Time
	Report      *report.Report

	state  *State
	there  []byte // the state as it is written there; nil if there is none
	before []byte // the same; of none, what an empty one would be
	have   map[string]string
}

// State is that of the destination when the job is done.
func (j *Job) State() *State { return j.state }

// plan reads the destination's state and makes the tree.
func (j *Job) plan(ctx context.Context) ([]File, error) {
	var err error
	if j.there, err = j.read(ctx); err != nil {
		return nil, err
	}
	if j.state, err = parseState(j.there); err != nil {
		return nil, err
	}
	if j.before = j.there; j.there == nil {
		j.before = j.state.text() // an empty one is not written
	}
	j.have = map[string]string{}
	for _, i := range j.state.Images {
		for _, f := range i.Files {
			j.have[f.SHA256] = f.Path
		}
	}
	if j.IsTree {
		return j.Tree, j.extra(ctx)
	}
	if j.Release.URL != "" {
		j.state.URL = j.Release.URL
	}
	j.state.publish(j.Images, j.Now)
	return j.Release.Files(j.state)
}

// Ahead begins to compare a finished tree with the destination before its files
// are known, where that saves time. What Run and Plan ask first it then answers.
func (j *Job) Ahead(ctx context.Context, dir string) {
	if d, ok := j.Destination.(interface{ Ahead(context.Context, string) }); ok {
		d.Ahead(ctx, dir)
	}
}

// extra notes what is at the destination and not in the tree.
func (j *Job) extra(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, f := range j.Tree {
		wanted[f.Path] = true
	}
	j.state.keep(wanted)
	if !j.Delete {
		return nil
	}
	there, err := j.Destination.List(ctx)
	if err != nil {
		return fmt.Errorf("listing %s: %w", j.Destination, err)
	}
	for _, p := range there {
		if !wanted[p] && !own(p) && local(p) {
			j.state.remove(p, j.Now)
		}
	}
	j.state.keep(wanted)
	return nil
}

// A verifier is a destination that reads what was sent only when it is asked to.
type verifier interface {
	Verify(ctx context.Context, files []File) error
}

// split returns the data and the pointers among the files that this run publishes.
func split(files []File) (contents, pointers []File) {
	for _, f := range files {
		switch {
		case f.Kept:
		case f.Rank == data:
			contents = append(contents, f)
		default:
			pointers = append(pointers, f)
		}
	}
	slices.SortStableFunc(pointers, func(a, b File) int { return a.Rank - b.Rank })
	return contents, pointers
}

// A Step is something that a job would do.
type Step struct {
	What string // "send", "update", "delete"
	Path string
	Size int64
}

// Plan tells what Run would do, and writes nothing.
func (j *Job) Plan(ctx context.Context) ([]Step, error) {
	files, err := j.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.kept(ctx, files); err != nil {
		return nil, err
	}
	var steps []Step
	contents, pointers := split(files)
	for what, some := range map[string][]File{"send": contents, "update": pointers} {
		missing, err := j.missing(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, f := range missing {
			steps = append(steps, Step{what, f.Path, f.Size})
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return strings.Compare(a.What, b.What) })
	for _, p := range j.state.due(j.Now, j.Grace) {
		steps = append(steps, Step{"delete", p, 0})
	}
	return steps, nil
}
