package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"net/url"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/mirror"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	tree, formats, url                             string
	delete, checksum, check, allowUntested, dryRun bool
	unsigned                                       bool
	grace                                          time.Duration
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.tree, "tree", "", "mirror a finished tree")
	fs.StringVar(&o.formats, "format", "", "the formats of the artifacts to publish")
	fs.StringVar(&o.url, "url", "", "where the tree can be read")
	fs.BoolVar(&o.delete, "delete", false, "delete what the tree does not have")
	fs.BoolVar(&o.checksum, "checksum", false, "compare data by content")
	fs.BoolVar(&o.check, "check", false, "say what is missing, stale or damaged")
	fs.BoolVar(&o.allowUntested, "allow-untested", false, "publish images without tests")
	fs.BoolVar(&o.unsigned, "unsigned", false, "take the signature from CHECKSUM files")
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be done")
	fs.DurationVar(&o.grace, "grace", 7*24*time.Hour, "how long files stay that nothing points at")
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	if err := o.validate(args); err != nil {
		return err
	}
	d, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	job := &mirror.Job{
		Destination: d, Release: &mirror.Release{URL: o.url, Unsigned: o.unsigned}, Delete: o.delete, Checksum: o.checksum, Grace: o.grace, Now: time.Now(), Report: env.Report,
	}
	if o.tree != "" {
		err = o.mirror(ctx, env, job)
	} else {
		err = o.publish(ctx, env, job)
	}
	return errors.Join(err, d.Close())
}

func (o *options) validate(args []string) error {
	switch {
	case len(args) != 1:
		return hint.Wrap(cli.Usagef("there are %d destinations instead of one", len(args)), "mirror-sync -h explains how it is written")
	case o.tree == "" && o.delete:
		return cli.Usagef("--delete goes with --tree: what images replaced goes without it")
	case o.tree != "" && (o.formats != "" || o.url != "" || o.allowUntested || o.unsigned):
		return cli.Usagef("--format, --url, --unsigned and --allow-untested are for manifests, not for --tree")
	case o.check && (o.dryRun || o.checksum):
		return cli.Usagef("--check changes nothing: it does not go with --dry-run or --checksum")
	case o.grace < 0:
		return cli.Usagef("--grace: it cannot be negative")
	}
	if u, err := url.Parse(o.url); err != nil || o.url != "" && u.Host == "" {
		return cli.Usagef("--url: %q is no URL", o.url)
	}
	return nil
}

// open returns the destination that a user names.
func open(ctx context.Context, name string) (mirror.Destination, error) {
	host, _, _ := strings.Cut(name, "/")
	switch scheme, _, found := strings.Cut(name, "://"); {
	case found && scheme == "s3":
		return mirror.OpenS3(ctx, name)
	case found && (scheme == "rsync" || scheme == "ssh"), !found && strings.Contains(host, ":"):
		return mirror.OpenRsync(name)
	case found:
		return nil, hint.Wrap(cli.Usagef("%q is no kind of destination", scheme+"://"), "there are rsync://, ssh://, s3://, HOST:PATH and folders")
	}
	return mirror.OpenFolder(name)
}
