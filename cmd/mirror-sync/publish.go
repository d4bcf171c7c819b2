package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/mirror"
	"github.com/respin-project/respin/internal/publish"
	"github.com/respin-project/respin/internal/summary"
)

// mirror brings the destination to the state of a tree.
func (o *options) mirror(ctx context.Context, env *cli.Env, job *mirror.Job) (err error) {
	if !o.check {
		job.Ahead(ctx, o.tree)
	}
	if job.Tree, err = mirror.Folder(ctx, o.tree); err != nil {
		return err
	}
	if len(job.Tree) == 0 {
		return hint.Wrap(fmt.Errorf("there is no file in %s", o.tree), "an empty tree is most likely a mistake, so that nothing is done")
	}
	job.IsTree = true
	_, err = o.do(ctx, env, job, o.tree)
	return err
}

// publish publishes the images of a stream.
func (o *options) publish(ctx context.Context, env *cli.Env, job *mirror.Job) error {
	if armored := os.Getenv("RESPIN_SIGNING_KEY"); armored != "" {
		key, err := mirror.SigningKey(armored, os.Getenv("RESPIN_SIGNING_PASSPHRASE"))
		if err != nil {
			return fmt.Errorf("RESPIN_SIGNING_KEY: %w", err)
		}
		job.Release.Key = key
	} else if !o.check && !o.dryRun {
		env.Report.Printf("the CHECKSUM files are not signed: RESPIN_SIGNING_KEY is not set")
	}
	manifests, titles, errs := o.collect(ctx, env, job)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(job.Images) == 0 && !o.check {
		return errors.Join(errs...)
	}
	done, err := o.do(ctx, env, job, strings.Join(titles, " "))
	errs = append(errs, err)
	for n, m := range manifests {
		if !done {
			break
		}
		if !o.dryRun && !o.check {
			record(m, job.Images[n], job.Destination.String(), o.url)
			if err := m.Save(); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		errs = append(errs, m.Write(env.Stdout))
	}
	return errors.Join(errs...)
}

// collect reads the stream; an image that cannot be published stays behind.
func (o *options) collect(ctx context.Context, env *cli.Env, job *mirror.Job) (manifests []*manifest.Manifest, titles []string, errs []error) {
	var formats []string
	if o.formats != "" {
		formats = strings.Split(o.formats, ",")
	}
	in := manifest.NewReader(env.Stdin, "standard input")
	err := manifest.Each(ctx, in, io.Discard, func(_ context.Context, m *manifest.Manifest) error {
		if err := publish.Tested(m, o.allowUntested); err != nil {
			return err
		}
		image, err := job.Release.Image(m, formats)
		if err != nil {
			return err
		}
		manifests, titles = append(manifests, m), append(titles, m.Image.ID())
		job.Images = append(job.Images, image)
		return nil
	})
	if err != nil {
		errs = append(errs, err)
	}
	return manifests, titles, errs
}

// record adds what was published to a manifest, in the place of what was before.
func record(m *manifest.Manifest, i mirror.Image, destination, base string) {
	for _, f := range i.Files {
		p := manifest.Publication{Kind: "mirror", Destination: destination, Reference: f.Path, SHA256: f.SHA256}
		if base != "" {
			p.Reference = strings.TrimSuffix(base, "/") + "/" + f.Path
		}
		for _, a := range m.Artifacts {
			if a.SHA256 == f.SHA256 && a.Format == f.Format {
				p.Artifact = a.Path
			}
		}
		at := slices.IndexFunc(m.Publications, func(old manifest.Publication) bool {
			return old.Kind == p.Kind && old.Destination == p.Destination && old.Artifact == p.Artifact
		})
		if at < 0 {
			m.Publications = append(m.Publications, p)
		} else {
			m.Publications[at] = p
		}
	}
}

// do checks, plans or runs a job; done tells whether the images are published.
func (o *options) do(ctx context.Context, env *cli.Env, job *mirror.Job, title string) (done bool, err error) {
	switch {
	case o.check:
		problems, files, err := job.Check(ctx)
		if err != nil {
			return false, err
		}
		var errs []error
		for _, p := range problems {
			errs = append(errs, cli.Say(p))
		}
		if len(problems) == 0 {
			env.Report.Printf("%s: all %d files are as they should be", job.Destination, files)
		}
		return len(problems) == 0, errors.Join(errs...)
	case o.dryRun:
		steps, err := job.Plan(ctx)
		for _, s := range steps {
			env.Report.Printf("would %s %s", s.What, s.Path)
		}
		return err == nil, err
	}
	start := time.Now()
	result, err := job.Run(ctx)
	if err != nil {
		return false, err
	}
	table := summary.Table{Title: "Published on mirrors", Columns: []string{"images", "destination", "files", "sent", "linked", "bytes sent", "deleted", "waiting", "time"}}
	table.Add(title, job.Destination.String(), fmt.Sprint(result.Files), fmt.Sprint(result.Sent), fmt.Sprint(result.Linked),
		summary.Size(result.Bytes), fmt.Sprint(len(result.Deleted)), fmt.Sprint(result.Waiting), summary.Time(time.Since(start)))
	table.Show(env.Report)
	return true, nil
}
