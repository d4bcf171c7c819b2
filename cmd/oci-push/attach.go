package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/oci"
)

// attachFile attaches a file to what a reference names.
func (o *options) attachFile(ctx context.Context, env *cli.Env, target string) error {
	ref, err := name.ParseReference(target)
	if err != nil {
		return cli.Usagef("%q is no reference: %w", target, err)
	}
	push, err := o.push(ctx, env, ref.Context(), nil)
	if err != nil {
		return err
	}
	m, ok, err := push.Repository.Manifest(ctx, ref.Identifier())
	if err != nil {
		return err
	}
	if !ok {
		return hint.Wrap(fmt.Errorf("there is no %s to attach to", ref), "push it first")
	}
	return o.attachTo(ctx, env, push, oci.File{Path: o.attach, Title: filepath.Base(o.attach), MediaType: o.mediaType}, m.Descriptor())
}

// attachTo attaches a file to a manifest that is in the repository.
func (o *options) attachTo(ctx context.Context, env *cli.Env, push *oci.Push, file oci.File, subject v1.Descriptor) error {
	i, err := oci.NewArtifact(file, &subject, o.annotation, nil)
	if err != nil {
		return err
	}
	defer i.Close()
	if o.dryRun {
		env.Report.Printf("would attach %s as %s to %s", i.Manifest.Digest(), file.MediaType, subject.Digest)
		return nil
	}
	if err := push.Attach(ctx, i); err != nil {
		return fmt.Errorf("attaching %s: %w", file.Path, err)
	}
	env.Report.Printf("attached %s as %s to %s", file.Path, file.MediaType, subject.Digest)
	return nil
}
