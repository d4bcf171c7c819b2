package mirror

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/report"
)

// A Destination is where a tree is published.
type Destination interface {
	fmt.Stringer
	// Lock keeps other runs on this machine away, where that can be done.
	Lock() error
	// Read returns a small file; the error is fs.ErrNotExist if there is none.
	Read(ctx context.Context, path string) ([]byte, error)
	// Missing returns those of the files that are not there as they should be. Data is
	// told by size and time, as rsync does; pointers by their content.
	Missing(ctx context.Context, files []File, s *State) ([]File, error)
	// Send brings files there, each of them whole before it has its name, and
	// verified by its digest unless the destination is a verifier. have are paths that are there by their SHA-256.
	Send(ctx context.Context, files []File, s *State, have map[string]string, task *report.Task) (Outcome, error)
	// Delete removes files; that one is not there is no error.
	Delete(ctx context.Context, paths []string) error
	// List returns the paths of all files.
	List(ctx context.Context) ([]string, error)
	// Check reads the files where they are.
	Check(ctx context.Context, files []File) ([]Problem, error)
	Close() error
}

// Outcome is what became of files that were sent.
type Outcome struct {
	Sent, Linked int   // files; Linked are those that were there under another name
	Bytes        int64 // of those sent
}

func (o *Outcome) add(other Outcome) {
	o.Sent += other.Sent
	o.Linked += other.Linked
	o.Bytes += other.Bytes
}

// A Problem is what is wrong with a file at a destination.
type Problem struct {
	Path string
	What string // "missing", "stale" (a pointer to what was), "damaged"
}

func (p Problem) Error() string { return p.Path + " is " + p.What }

func problem(f File, what string) Problem {
	if what == "damaged" && f.Rank != data {
		what = "stale"
	}
	return Problem{f.Path, what}
}

// A Result is what a job did.
type Result struct {
	Outcome
	Files   int      // in the tree
	Deleted []string // paths
	Waiting int      // files whose grace period is not over
}

// Run brings the destination to the state.
func (j *Job) Run(ctx context.Context) (Result, error) {
	if err := j.Destination.Lock(); err != nil {
		return Result{}, err
	}
	files, err := j.plan(ctx)
	if err != nil {
		return Result{}, err
	}
	result := Result{Files: len(files)}
	contents, pointers := split(files)
	if err := j.bring(ctx, contents, &result); err != nil {
		return result, err
	}
	// Whoever runs next knows what pointers there may be.
	if err := j.save(ctx); err != nil {
		return result, err
	}
	if err := j.bring(ctx, pointers, &result); err != nil {
		return result, err
	}
	due := j.state.due(j.Now, j.Grace)
	if len(due) > 0 {
		if err := j.Destination.Delete(ctx, due); err != nil {
			return result, fmt.Errorf("deleting from %s: %w", j.Destination, err)
		}
		j.state.gone(due)
	}
	result.Deleted, result.Waiting = due, len(j.state.Removals)
	return result, j.save(ctx)
}

// missing are those of some files that the destination does not have as they should be.
func (j *Job) missing(ctx context.Context, files []File) ([]File, error) {
	if len(files) == 0 {
		return nil, nil
	}
	missing, err := j.Destination.Missing(ctx, files, j.state)
	if err == nil && j.Checksum && files[0].Rank == data {
		var problems []Problem
		if problems, err = j.Destination.Check(ctx, files); err == nil {
			missing = slices.DeleteFunc(slices.Clone(files), func(f File) bool {
				same := func(m File) bool { return m.Path == f.Path }
				return !slices.ContainsFunc(problems, func(p Problem) bool { return p.Path == f.Path }) && !slices.ContainsFunc(missing, same)
			})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("comparing with %s: %w", j.Destination, err)
	}
	return missing, nil
}

// bring sends what is missing of some files.
func (j *Job) bring(ctx context.Context, files []File, result *Result) error {
	missing, err := j.missing(ctx, files)
	if err != nil || len(missing) == 0 {
		return err
	}
	var total int64
	for _, f := range missing {
		total += f.Size
	}
	task := j.Report.Task("sending to "+j.Destination.String(), total, report.Bytes)
	defer task.Drop()
	if err := j.send(ctx, missing, task, result); err != nil {
		return fmt.Errorf("sending to %s: %w", j.Destination, err)
	}
	task.Done()
	return nil
}

// send sends files of one rank after those of the other.
func (j *Job) send(ctx context.Context, files []File, task *report.Task, result *Result) error {
	for rest := files; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(f File) bool { return f.Rank != rest[0].Rank })
		if n < 0 {
			n = len(rest)
		}
		outcome, err := j.Destination.Send(ctx, rest[:n], j.state, j.have, task)
		result.add(outcome)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	if v, ok := j.Destination.(verifier); ok {
		return v.Verify(ctx, files)
	}
	return nil
}

// save writes the state if it changed.
func (j *Job) save(ctx context.Context) error {
	text := j.state.text()
	if bytes.Equal(text, j.before) {
		return nil
	}
	file := generated(StateFile, text, j.Now, checksums)
	if _, err := j.Destination.Send(ctx, []File{file}, j.state, nil, nil); err != nil {
		return fmt.Errorf("writing %s to %s: %w", StateFile, j.Destination, err)
	}
	j.before = text
	return nil
}

// Check holds the destination against the state: every file is read there.
// The problems are in the order of their paths.
func (j *Job) Check(ctx context.Context) (problems []Problem, files int, err error) {
	tree, err := j.plan(ctx)
	if err != nil {
		return nil, 0, err
	}
	problems, err = j.Destination.Check(ctx, tree)
	if err != nil {
		return nil, 0, fmt.Errorf("checking %s: %w", j.Destination, err)
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems, len(tree), nil
}
