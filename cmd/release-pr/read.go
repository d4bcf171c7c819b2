package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/publish"
	"github.com/respin-project/respin/internal/release"
)

// read reads the batch; nil if there is no manifest.
func (o *options) read(ctx context.Context, env *cli.Env) (*release.Batch, error) {
	var images []*release.Image
	in := manifest.NewReader(env.Stdin, "standard input")
	err := manifest.Each(ctx, in, io.Discard, func(_ context.Context, m *manifest.Manifest) error {
		if err := publish.TestedForRelease(m, o.allowUntested); err != nil {
			return err
		}
		i, err := release.NewImage(m, o.specs)
		images = append(images, i)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, errors.New("nothing is proposed: a batch is released together or not at all"))
	}
	if len(images) == 0 {
		env.Report.Printf("no manifest came in: nothing is proposed")
		return nil, nil
	}
	return release.NewBatch(o.batch, images)
}

// verify passes those images on that are what a record says.
func verify(ctx context.Context, env *cli.Env, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the record: %w", err)
	}
	record, err := release.ParseRecord(text)
	if err != nil {
		return fmt.Errorf("reading the record %s: %w", path, err)
	}
	in := manifest.NewReader(env.Stdin, "standard input")
	return manifest.Each(ctx, in, env.Stdout, func(_ context.Context, m *manifest.Manifest) error {
		return record.Verify(m)
	})
}
