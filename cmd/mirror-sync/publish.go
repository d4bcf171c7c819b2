package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/mirror"
	"github.com/respin-project/respin/internal/publish"
	"github.com/respin-project/respin/internal/report"
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
	}
	manifests, errs := o.collect(ctx, env, job)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(job.Images) == 0 && !o.check {
		return errors.Join(errs...)
	}
	done, err := o.do(ctx, env, job, "")
	errs = append(errs, err)
	if done && !o.check && !o.dryRun && !job.State().AllSigned() {
		env.Report.Printf("the CHECKSUM files are not signed: RESPIN_SIGNING_KEY is not set")
	}
	for n, m := range manifests {
		if !done {
			break
		}
		if !o.dryRun && !o.check {
			record(m, job.Images[n], job)
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
func (o *options) collect(ctx context.Context, env *cli.Env, job *mirror.Job) (manifests []*manifest.Manifest, errs []error) {
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
		manifests = append(manifests, m)
		job.Images = append(job.Images, image)
		return nil
	})
	if err != nil {
		errs = append(errs, err)
	}
	return manifests, errs
}

// record adds what was published to a manifest, in the place of what was before.
func record(m *manifest.Manifest, i mirror.Image, job *mirror.Job) {
	for _, f := range i.Files {
		p := manifest.Publication{Kind: "mirror", Destination: job.Destination.String(), Reference: job.State().Location(f.Path), SHA256: f.SHA256}
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
func (o *options) do(ctx context.Context, env *cli.Env, job *mirror.Job, tree string) (done bool, err error) {
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
	o.show(env, job, tree, result, time.Since(start))
	return true, nil
}

// show lists what was published, a row for each image or one for a tree.
func (o *options) show(env *cli.Env, job *mirror.Job, tree string, r mirror.Result, took time.Duration) {
	table := summary.Table{Title: "Published on mirrors", Columns: []string{"image", "destination", "files", "size"}, Address: "URL"}
	row := func(name, address string, files int, size int64) {
		table.Add(address, name, job.Destination.String(), fmt.Sprint(files), report.Size(size))
	}
	var size int64
	for _, f := range job.Tree {
		size += f.Size
	}
	if job.IsTree {
		row(tree, "", len(job.Tree), size)
	}
	for _, i := range job.Images {
		var size int64
		address := ""
		for _, f := range i.Files {
			size += f.Size
			if job.State().URL != "" {
				address = job.State().Location(path.Dir(f.Path)) + "/"
			}
		}
		row(i.Image.ID(), address, len(i.Files), size)
	}
	table.Note = fmt.Sprintf("%d files: %d sent (%s), %d linked, %d deleted, %d to be deleted later; %s",
		r.Files, r.Sent, report.Size(r.Bytes), r.Linked, len(r.Deleted), r.Waiting, report.Seconds(took))
	table.Show(env.Report)
}
