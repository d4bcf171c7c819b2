package main

import (
	"context"
	"errors"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/inspect"
)

// inspectFiles prints what disk images are.
func inspectFiles(ctx context.Context, env *cli.Env, names []string) error {
	if len(names) == 0 {
		return cli.Usagef("inspect wants the files to look at")
	}
	out := env.Lines()
	var errs []error
	for _, name := range names {
		image, err := inspect.File(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := out.Encode(image); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}
