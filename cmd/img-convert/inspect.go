package main

import (
	"context"
	"errors"

	"github.com/respin-project/respin/internal/cli"
)

func inspectFiles(ctx context.Context, env *cli.Env, names []string) error {
	return errors.New("not yet")
}
