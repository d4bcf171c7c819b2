package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/layer"
	"github.com/respin-project/respin/internal/summary"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	tag, format, arch, mediaType, attach, compression string
	annotations, labels, mounts                       cli.Strings
	jobs                                              int
	allowUntested, dryRun                             bool

	annotation, label map[string]string // of the flags
	from              []name.Repository // of mounts
	epoch             time.Time         // SOURCE_DATE_EPOCH; zero if it is not set
	table             summary.Table
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.tag, "tag", "", "tags, separated by commas")
	fs.StringVar(&o.format, "format", "", "the format of the artifacts to push")
	fs.StringVar(&o.arch, "arch", "", "the architecture of plain paths")
	fs.StringVar(&o.mediaType, "type", "", "the media type of a plain path or attachment")
	fs.StringVar(&o.attach, "attach", "", "a file, or in a pipe a format, to attach")
	fs.StringVar(&o.compression, "compression", string(layer.Gzip), "of a container's layer")
	fs.Var(&o.annotations, "annotation", "of the image's manifest")
	fs.Var(&o.labels, "label", "of a container's configuration")
	fs.Var(&o.mounts, "mount", "a repository that may have the blobs")
	fs.IntVar(&o.jobs, "jobs", 4, "blobs on their way at a time")
	fs.BoolVar(&o.allowUntested, "allow-untested", false, "publish images without tests")
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be done")
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return hint.Wrap(cli.Usagef("there is no repository to push to"), "oci-push -h explains how it is written")
	}
	if err := o.check(); err != nil {
		return err
	}
	o.table = summary.Table{Title: "Pushed to registries", Columns: []string{"image", "architecture", "tags", "sent", "there already", "time"}, Address: "reference"}
	defer func() { o.table.Show(env.Report) }()
	switch {
	case len(args) > 1:
		if o.attach != "" || o.format != "" {
			return cli.Usagef("--attach and --format do not go with paths")
		}
		return o.paths(ctx, env, args[0], args[1:])
	case o.attach != "" && o.mediaType != "":
		return o.attachFile(ctx, env, args[0])
	}
	if o.arch != "" || o.mediaType != "" {
		return cli.Usagef("--arch and --type are for plain paths: a manifest says both")
	}
	return o.manifests(ctx, env, args[0])
}

// check reads what the flags say.
func (o *options) check() (err error) {
	if o.jobs < 1 {
		return cli.Usagef("--jobs: it cannot be less than 1")
	}
	if c := layer.Compression(o.compression); c != layer.Gzip && c != layer.Zstd {
		return cli.Usagef("--compression: %q is neither gzip nor zstd", o.compression)
	}
	if o.annotation, err = cli.Pairs("annotation", "KEY=VALUE", o.annotations); err != nil {
		return err
	}
	if o.label, err = cli.Pairs("label", "KEY=VALUE", o.labels); err != nil {
		return err
	}
	for _, text := range o.mounts {
		from, err := name.NewRepository(text)
		if err != nil {
			return cli.Usagef("--mount: %w", err)
		}
		o.from = append(o.from, from)
	}
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 0 {
			return cli.Usagef("SOURCE_DATE_EPOCH: %q is no number of seconds", text)
		}
		o.epoch = time.Unix(seconds, 0)
	}
	if o.arch == "" {
		return nil
	}
	if strings.ContainsAny(o.arch, "/: ") {
		return cli.Usagef("--arch: %q is no architecture", o.arch)
	}
	return nil
}

// tags are those of a list, each checked.
func tags(repository name.Repository, list string) ([]string, error) {
	var all []string
	for tag := range strings.SplitSeq(list, ",") {
		if _, err := name.NewTag(repository.String()+":"+tag, name.StrictValidation); err != nil || tag == "" {
			return nil, hint.Wrap(fmt.Errorf("%q is no tag", tag), "a tag holds letters, digits and . _ - only, at most 128")
		}
		all = append(all, tag)
	}
	return all, nil
}
