// Package convert turns one disk into files of several formats in one pass:
// a reader hands the disk's blocks to an encoder for each format, which work
// in parallel, and each file appears under its name only when all are complete
// and on the disk. The bytes of the files depend on the disk alone.
package convert

import (
	"context"
	"fmt"
	"runtime"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
	"golang.org/x/sync/errgroup"
)

// A Job is the conversion of one disk.
type Job struct {
	Source  source.Disk
	Formats []Format
	Folder  string // where the files go
	Disk    Disk
	From    string // path of the file that Source reads, which must not be overwritten
	SHA256  string // that the disk must have, hex; empty if that is not known
	Report  *report.Report
}

// Run converts the disk and returns an artifact for each format, in the order
// of Formats, with paths relative to Folder. On an error there are no files.
func (j *Job) Run(ctx context.Context) ([]manifest.Artifact, error) {
	r := &run{Job: j}
	defer r.discard()
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if err := r.convert(ctx); err != nil {
		return nil, err
	}
	var artifacts []manifest.Artifact
	for _, o := range r.outputs {
		if err := o.file.publish(); err != nil {
			return nil, err
		}
		o.task.Done()
		artifacts = append(artifacts, o.artifact)
	}
	return artifacts, nil
}

// A run is a Job being done.
type run struct {
	*Job
	outputs []*output
	disk    *digest // of the disk; nil if nobody needs it
}

// What may be under way at a time bounds the memory, however many processors there are.
const (
	depth     = 4   // pieces of a lane for each processor
	inFlight  = 64  // blocks in the pieces of a lane
	maxBlocks = 128 // in all
)

// A track is a lane and the files that its encoder's stream goes into.
type track struct {
	*lane
	members []*output
}

func (r *run) convert(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	tracks, err := r.lay(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, t := range tracks {
			t.encoding.Wait()
		}
	}()
	for _, t := range tracks {
		group.Go(func() error {
			if err := t.run(); err != nil {
				return err
			}
			return r.finish(ctx, t.members)
		})
	}
	group.Go(func() error { return r.read(ctx, tracks) })
	if err := group.Wait(); err != nil {
		return err
	}
	return r.checkDigest()
}

// lay makes the lanes of all streams.
func (r *run) lay(ctx context.Context) ([]track, error) {
	processors := runtime.GOMAXPROCS(0)
	slots := make(chan struct{}, processors)
	var tracks []track
	add := func(enc Encoder, members []*output) {
		l := newLane(ctx, enc, slots, min(depth*processors, max(inFlight/enc.Blocks(), 2)))
		for _, o := range members {
			l.tasks = append(l.tasks, o.task)
		}
		tracks = append(tracks, track{l, members})
	}
	if r.needsDigest() {
		r.disk = newDigest()
		add(r.disk, nil)
	}
	for _, members := range r.streams() {
		var to sections
		for _, o := range members {
			to = append(to, section{o.file, o.wrapper.head})
		}
		enc, err := members[0].disk.open(ctx, to, &r.Disk)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", members[0].Name, err)
		}
		add(enc, members)
	}
	return tracks, nil
}

// read takes the disk through all lanes.
func (r *run) read(ctx context.Context, tracks []track) error {
	workers := runtime.GOMAXPROCS(0)
	blocks := min(2*depth*workers, maxBlocks)
	for _, t := range tracks {
		blocks = max(blocks, 4*t.enc.Blocks())
	}
	if _, ok := r.Source.(source.Ascending); ok {
		workers = 1
	}
	from := reader{r.Source, block.NewPool(blocks), workers}
	err := from.run(ctx, func(ctx context.Context, s *span) error {
		if s.block != nil {
			s.block.Retain(len(tracks) - 1)
		}
		for _, t := range tracks {
			if err := t.add(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tracks {
		if err := t.end(ctx); err != nil {
			return err
		}
	}
	return nil
}

// streams puts the outputs that share a stream together.
func (r *run) streams() [][]*output {
	var groups [][]*output
next:
	for _, o := range r.outputs {
		for i := range groups {
			if groups[i][0].disk == o.disk {
				groups[i] = append(groups[i], o)
				continue next
			}
		}
		groups = append(groups, []*output{o})
	}
	return groups
}

// finish completes the files of a stream that is all written.
func (r *run) finish(ctx context.Context, members []*output) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, o := range members {
		group.Go(func() error {
			if o.disk.kind == "raw" {
				// The file is the disk, whose digest is being taken anyway.
				sum, err := r.disk.wait(ctx)
				if err != nil {
					return err
				}
				o.file.sum = sum
			}
			if o.wrapper.finish != nil {
				if err := o.wrapper.finish(o.file, o.file.size-o.wrapper.head); err != nil {
					return err
				}
			}
			o.task.Doing("syncing")
			var err error
			o.artifact.SHA256, err = o.file.sync()
			o.artifact.Size = o.file.size
			return err
		})
	}
	return group.Wait()
}

// needsDigest reports whether the disk's own digest is wanted. Where nothing
// else needs every byte of the disk, it would take longer than the conversion.
func (r *run) needsDigest() bool {
	for _, f := range r.Formats {
		if f.disk.whole() {
			return true
		}
	}
	return r.SHA256 != ""
}

// checkDigest compares the disk's digest with what it should be and puts it into the artifacts.
func (r *run) checkDigest() error {
	if r.disk == nil {
		return nil
	}
	got := r.disk.hex()
	if r.SHA256 != "" && got != r.SHA256 {
		return hint.Wrap(fmt.Errorf("the disk's SHA-256 is %s, not %s as its manifest says", got, r.SHA256),
			"the disk was changed or damaged after it was made: build it again")
	}
	for _, o := range r.outputs {
		o.artifact.UncompressedSHA256 = got
	}
	return nil
}
