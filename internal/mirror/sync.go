package mirror

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
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
	// Swap writes the state, f, in the place of the one that was read, old (nil if there
	// was none). Where another run wrote one meanwhile, it stays, and is returned.
	Swap(ctx context.Context, old []byte, f File) (theirs []byte, err error)
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

// maxRounds bounds how often a run begins again because of others.
const maxRounds = 30

// Run brings the destination to the state. Where other runs publish there at the
// same time and nothing keeps them out, each adds to what the others wrote: who finds the state changed
// begins again from it. Whose pointers came last has looked at the state after that, so that they are complete.
func (j *Job) Run(ctx context.Context) (Result, error) {
	if err := j.Destination.Lock(); err != nil {
		return Result{}, err
	}
	var result Result
	for n := range maxRounds {
		done, err := j.round(ctx, &result)
		if errors.Is(err, errOther) && n < maxRounds/10 {
			continue // it may be another run's, which is about to notice
		}
		if done || err != nil {
			return result, err
		}
	}
	return result, hint.Wrap(fmt.Errorf("%s does not come to rest: others keep changing it", j.Destination), "let one mirror-sync at a time work there")
}

// errOther says that a file is not there as it was sent.
var errOther = errors.New("it is not there as it was sent")

// round is a run, done unless another one came in between.
func (j *Job) round(ctx context.Context, result *Result) (done bool, err error) {
	files, err := j.plan(ctx)
	if err != nil {
		return false, err
	}
	if err := j.kept(ctx, files); err != nil {
		return false, err
	}
	result.Files = len(files)
	contents, pointers := split(files)
	if _, err := j.bring(ctx, contents, result); err != nil {
		return false, err
	}
	// Whoever runs next knows what pointers there may be.
	saved, alone, err := j.save(ctx)
	if err != nil || !alone {
		return false, err
	}
	sent, err := j.bring(ctx, pointers, result)
	if saved || sent || err != nil { // an error may be that another run wrote the same files
		there, readErr := j.read(ctx)
		if readErr == nil && !bytes.Equal(there, j.there) {
			return false, nil
		}
		if err := cmp.Or(err, readErr); err != nil {
			return false, err
		}
	}
	due := j.state.due(j.Now, j.Grace)
	if len(due) > 0 {
		if err := j.Destination.Delete(ctx, due); err != nil {
			return false, fmt.Errorf("deleting from %s: %w", j.Destination, err)
		}
		j.state.gone(due)
	}
	result.Deleted = append(result.Deleted, due...)
	result.Waiting = len(j.state.Removals)
	_, alone, err = j.save(ctx)
	return alone, err
}

// kept checks that the signed files are there that this run cannot sign.
func (j *Job) kept(ctx context.Context, files []File) error {
	for _, f := range files {
		if !f.Kept || f.Rank == data {
			continue
		}
		text, err := j.Destination.Read(ctx, f.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		sum, _, err := digest(bytes.NewReader(text))
		if err != nil {
			return err
		}
		if sum != f.SHA256 {
			return hint.Wrap(fmt.Errorf("%s is signed, and there is no key to sign what it would say now", f.Path),
				"set RESPIN_SIGNING_KEY, or publish it without a signature by --unsigned")
		}
	}
	return nil
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

// bring sends what is missing of some files, if anything is.
func (j *Job) bring(ctx context.Context, files []File, result *Result) (sent bool, err error) {
	missing, err := j.missing(ctx, files)
	if err != nil || len(missing) == 0 {
		return false, err
	}
	var total int64
	for _, f := range missing {
		total += f.Size
	}
	task := j.Report.Task("sending to "+j.Destination.String(), total, report.Bytes)
	defer task.Drop()
	if err := j.send(ctx, missing, task, result); err != nil {
		return true, fmt.Errorf("sending to %s: %w", j.Destination, err)
	}
	task.Done()
	return true, nil
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

// read reads the state as it is written there, nil if there is none.
func (j *Job) read(ctx context.Context) ([]byte, error) {
	text, err := j.Destination.Read(ctx, StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// save writes the state if it changed. alone is false if another run changed it meanwhile.
func (j *Job) save(ctx context.Context) (saved, alone bool, err error) {
	text := j.state.text()
	if bytes.Equal(text, j.before) {
		return false, true, nil
	}
	theirs, err := j.Destination.Swap(ctx, j.there, generated(StateFile, text, j.Now, checksums))
	if err != nil {
		return false, false, fmt.Errorf("writing %s to %s: %w", StateFile, j.Destination, err)
	}
	if theirs != nil {
		return false, false, nil
	}
	j.there, j.before = text, text
	return true, true, nil
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
