package oci

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/respin-project/respin/internal/registry"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sync/errgroup"
)

// A Push brings images to a repository.
type Push struct {
	Repository *registry.Repository
	Tags       []string
	From       []name.Repository // of the same registry, whose blobs may be mounted
	Jobs       int               // blobs on their way at a time
	Report     *report.Report
}

// A Result is what became of a push.
type Result struct {
	Index   v1.Hash // that the tags name
	Sent    int64   // bytes
	Present int64   // bytes that were there, or were mounted
}

// Run sends the images' blobs, then their manifests, and moves the tags last:
// whoever pulls sees the index before or the one after, and all of either.
// The entries of other platforms stay in the index.
func (p *Push) Run(ctx context.Context, images []*Image) (Result, error) {
	sent, present, err := p.contents(ctx, images)
	if err != nil {
		return Result{}, err
	}
	result := Result{Sent: sent, Present: present}
	entries := make([]v1.Descriptor, len(images))
	keys := map[string]bool{}
	for n, i := range images {
		entries[n] = i.Entry
		key := registry.Key(i.Entry)
		if keys[key] {
			return result, fmt.Errorf("there are two images for %s", key)
		}
		keys[key] = true
	}
	for _, tag := range p.Tags {
		index, err := p.Repository.AddEntries(ctx, tag, entries)
		if err != nil {
			return result, err
		}
		result.Index = index.Digest()
	}
	return result, nil
}

// Attach sends an artifact that belongs to what its manifest's subject names.
func (p *Push) Attach(ctx context.Context, i *Image) error {
	if err := p.blobs(ctx, []*Image{i}, nil, nil); err != nil {
		return err
	}
	return p.Repository.Attach(ctx, i.Manifest)
}

// contents sends blobs and manifests, which nothing points at yet.
func (p *Push) contents(ctx context.Context, images []*Image) (sent, present int64, err error) {
	var total int64
	for _, b := range distinct(images) {
		total += b.Size
	}
	task := p.Report.Task("pushing to "+p.Repository.Name().String(), total, report.Bytes)
	defer task.Drop()
	var arrived, there atomic.Int64
	err = p.blobs(ctx, images, func(n int64) { arrived.Add(n); task.Add(n) }, func(n int64) { there.Add(n); task.Add(n) })
	if err != nil {
		return 0, 0, err
	}
	for _, i := range images {
		if err := p.Repository.PutManifest(ctx, i.Manifest, ""); err != nil {
			return 0, 0, err
		}
	}
	task.Done()
	return arrived.Load(), there.Load(), nil
}

func (p *Push) blobs(ctx context.Context, images []*Image, sent, present func(int64)) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(max(p.Jobs, 1))
	for _, b := range distinct(images) {
		work.Go(func() error {
			outcome, err := p.Repository.PushBlob(ctx, b, p.From, sent)
			if err == nil && outcome != registry.Sent && present != nil {
				present(b.Size)
			}
			return err
		})
	}
	return work.Wait()
}

// distinct are the images' blobs, each once.
func distinct(images []*Image) []registry.Blob {
	seen := map[v1.Hash]bool{}
	var blobs []registry.Blob
	for _, i := range images {
		for _, b := range i.Blobs {
			if !seen[b.Digest] {
				seen[b.Digest] = true
				blobs = append(blobs, b)
			}
		}
	}
	return blobs
}

// A Step is something that a push would do.
type Step struct {
	What string // "send", "skip", "store", "tag"
	Name string // the digest or tag
	Size int64  // bytes
}

// Plan tells what Run would do, and writes nothing.
func (p *Push) Plan(ctx context.Context, images []*Image) ([]Step, error) {
	blobs := distinct(images)
	steps := make([]Step, len(blobs))
	var mu sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(max(p.Jobs, 1))
	for n, b := range blobs {
		work.Go(func() error {
			has, err := p.Repository.HasBlob(ctx, b)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			steps[n] = Step{"send", b.Digest.String(), b.Size}
			if has {
				steps[n].What = "skip"
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	for _, i := range images {
		steps = append(steps, Step{"store", i.Manifest.Digest().String() + " for " + registry.Key(i.Entry), int64(len(i.Manifest.Data))})
	}
	for _, tag := range p.Tags {
		for _, i := range images {
			steps = append(steps, Step{"tag", tag + "-" + registry.Key(i.Entry), 0})
		}
	}
	for _, tag := range p.Tags {
		steps = append(steps, Step{"tag", tag, 0})
	}
	return steps, nil
}

// CloseAll closes images.
func CloseAll(images []*Image) error {
	var errs []error
	for _, i := range images {
		errs = append(errs, i.Close())
	}
	return errors.Join(errs...)
}
