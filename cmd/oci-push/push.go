package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/layer"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/oci"
	"github.com/respin-project/respin/internal/publish"
	"github.com/respin-project/respin/internal/registry"
	"github.com/respin-project/respin/internal/report"
)

const usualTags = "{version}-{release},{version}"

// manifests pushes the images of a stream.
func (o *options) manifests(ctx context.Context, env *cli.Env, target string) error {
	if strings.Contains(filepath.Base(target), ":") {
		what := "in a pipe --tag says the tags"
		if o.attach != "" {
			what = "to attach a file to it, --type says what the file is, such as application/spdx+json"
		}
		return hint.Wrap(cli.Usagef("%q has a tag", target), "%s", what)
	}
	if !strings.Contains(target, "{name}") {
		target += "/{name}"
	}
	if _, err := name.NewRepository(fill(target, manifest.Image{Name: "n", Version: "v", Release: "r", Arch: "a"})); err != nil {
		return cli.Usagef("%q is no repository: %w", target, err)
	}
	in := manifest.NewReader(env.Stdin, "standard input")
	return manifest.Concurrently(ctx, 2, in, env.Stdout, func(ctx context.Context, m *manifest.Manifest) error {
		return o.manifest(ctx, env, target, m)
	})
}

// fill puts an image's name into a template. Tags and repositories cannot hold all that versions can.
func fill(template string, i manifest.Image) string {
	clean := func(s string) string { return strings.NewReplacer("~", "-", "^", "-", "+", "-").Replace(s) }
	return strings.NewReplacer("{name}", strings.ToLower(clean(i.Name)), "{version}", clean(i.Version),
		"{release}", clean(i.Release), "{arch}", i.Arch).Replace(template)
}

func (o *options) manifest(ctx context.Context, env *cli.Env, target string, m *manifest.Manifest) error {
	if err := publish.Tested(m, o.allowUntested); err != nil {
		return err
	}
	artifacts, err := oci.Choose(m, o.format)
	if err != nil {
		return err
	}
	repository, err := name.NewRepository(fill(target, m.Image))
	if err != nil {
		return err
	}
	list := o.tag
	if list == "" {
		list = usualTags
	}
	tags, err := tags(repository, fill(list, m.Image))
	if err != nil {
		return err
	}
	about := oci.AboutManifest(m).With(o.annotation, o.label)
	var images []*oci.Image
	defer func() { oci.CloseAll(images) }()
	var published []manifest.Publication
	for _, a := range artifacts {
		of := about
		if a.Format != oci.ContainerFormat && a.MediaType == "application/x-tar" {
			of.Annotations = o.annotation // the layout is complete as it is
		}
		more, err := oci.FromArtifact(ctx, m, a, of, layer.Compression(o.compression))
		if err != nil {
			return err
		}
		images = append(images, more...)
		for _, i := range more {
			published = append(published, manifest.Publication{Kind: "oci", Destination: repository.String(),
				Reference: repository.String() + ":" + tags[0], Artifact: a.Path, SHA256: a.SHA256, Digest: i.Entry.Digest.String()})
		}
	}
	push, err := o.push(ctx, env, repository, tags)
	if err != nil {
		return err
	}
	if err := o.send(ctx, env, push, m.Image.ID(), images); err != nil {
		return err
	}
	if o.attach != "" {
		if err := o.attachArtifact(ctx, env, push, m, images); err != nil {
			return err
		}
	}
	if o.dryRun {
		return nil
	}
	record(m, published)
	return m.Save()
}

// record adds publications to a manifest, in the place of older ones of the same.
func record(m *manifest.Manifest, published []manifest.Publication) {
	for _, p := range published {
		i := slices.IndexFunc(m.Publications, func(old manifest.Publication) bool {
			return old.Kind == p.Kind && old.Reference == p.Reference && old.Artifact == p.Artifact
		})
		if i >= 0 {
			m.Publications[i] = p
		} else {
			m.Publications = append(m.Publications, p)
		}
	}
}

func (o *options) push(ctx context.Context, env *cli.Env, repository name.Repository, tags []string) (*oci.Push, error) {
	r, err := registry.Open(ctx, repository, o.from)
	if err != nil {
		return nil, err
	}
	return &oci.Push{Repository: r, Tags: tags, From: o.from, Jobs: o.jobs, Report: env.Report}, nil
}

// send pushes images, or prints what that would be.
func (o *options) send(ctx context.Context, env *cli.Env, push *oci.Push, title string, images []*oci.Image) error {
	if o.dryRun {
		steps, err := push.Plan(ctx, images)
		if err != nil {
			return err
		}
		for _, s := range steps {
			env.Report.Printf("would %s %s", s.What, strings.TrimSpace(fmt.Sprintf("%s %s", s.Name, sizeOf(s.Size))))
		}
		return nil
	}
	start := time.Now()
	result, err := push.Run(ctx, images)
	if err != nil {
		return err
	}
	for _, i := range images {
		sent, present := report.Size(result.Sent), report.Size(result.Present)
		reference := push.Repository.Name().String() + ":" + push.Tags[0] + "@" + i.Entry.Digest.String()
		o.table.Add(reference, title, registry.Key(i.Entry), strings.Join(push.Tags, ", "), sent, present, report.Seconds(time.Since(start)))
	}
	return nil
}

func sizeOf(n int64) string {
	if n == 0 {
		return ""
	}
	return "(" + report.Size(n) + ")"
}

// attachArtifact attaches an artifact of the manifest to each of its images.
func (o *options) attachArtifact(ctx context.Context, env *cli.Env, push *oci.Push, m *manifest.Manifest, images []*oci.Image) error {
	a := m.Artifact(o.attach)
	if a == nil {
		return hint.Wrap(fmt.Errorf("it has no artifact of the format %q to attach", o.attach), "with a file, --attach takes --type and a reference, and no manifests")
	}
	mediaType := a.MediaType
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	for _, i := range images {
		subject := i.Manifest.Descriptor()
		file := oci.File{Path: m.Path(a.Path), Title: filepath.Base(a.Path), MediaType: mediaType, SHA256: a.SHA256}
		if err := o.attachTo(ctx, env, push, file, subject); err != nil {
			return err
		}
	}
	return nil
}

// paths pushes plain files and folders.
func (o *options) paths(ctx context.Context, env *cli.Env, target string, paths []string) error {
	repository, list, err := o.destination(target)
	if err != nil {
		return err
	}
	about := oci.About{Arch: o.arch, Created: o.epoch}.With(o.annotation, o.label)
	if about.Arch == "" {
		about.Arch = manifest.HostArch()
	}
	var images []*oci.Image
	defer func() { oci.CloseAll(images) }()
	for _, path := range paths {
		more, err := oci.FromFile(ctx, path, o.mediaType, about, layer.Compression(o.compression))
		if err != nil {
			return err
		}
		images = append(images, more...)
	}
	push, err := o.push(ctx, env, repository, list)
	if err != nil {
		return err
	}
	if err := o.send(ctx, env, push, strings.Join(paths, " "), images); err != nil || o.dryRun {
		return err
	}
	out := env.Lines()
	var errs []error
	for _, i := range images {
		errs = append(errs, out.Encode(map[string]string{"kind": "oci", "reference": repository.String() + ":" + list[0],
			"digest": i.Entry.Digest.String(), "entry": registry.Key(i.Entry)}))
	}
	return errors.Join(errs...)
}

// destination takes REPOSITORY:TAG apart; --tag overrules the tag.
func (o *options) destination(target string) (name.Repository, []string, error) {
	ref, err := name.NewTag(target)
	if err != nil {
		return name.Repository{}, nil, cli.Usagef("%q is no reference: %w", target, err)
	}
	list := o.tag
	if list == "" {
		list = ref.TagStr() // "latest" where there is none
	}
	all, err := tags(ref.Repository, list)
	if err != nil {
		return name.Repository{}, nil, cli.Usagef("--tag: %w", err)
	}
	return ref.Repository, all, nil
}
