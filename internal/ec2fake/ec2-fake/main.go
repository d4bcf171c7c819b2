package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/ec2fake"
)

//go:embed doc.go
var doc string

func main() { cli.Main(doc, run) }

type options struct {
	listen, encrypted, blockPublic, folder string
	quotas, memory                         bool
	hidden, ready, copying                 time.Duration
	faults                                 float64
	blockRate                              int
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.listen, "listen", "127.0.0.1:0", "where to listen")
	fs.BoolVar(&o.quotas, "quotas", false, "throttle at AWS's quotas")
	fs.IntVar(&o.blockRate, "block-rate", 1000, "blocks a second with quotas")
	fs.DurationVar(&o.hidden, "hidden", 0, "how long what is new cannot be seen")
	fs.DurationVar(&o.ready, "ready", 0, "how long a snapshot and an image stay pending")
	fs.DurationVar(&o.copying, "copying", 0, "how long copies take")
	fs.StringVar(&o.encrypted, "encrypted", "", "regions with encryption by default")
	fs.StringVar(&o.blockPublic, "block-public", "", "regions where nothing may be public")
	fs.Float64Var(&o.faults, "faults", 0, "the share of requests that fail")
	fs.StringVar(&o.folder, "folder", "", "where the volumes' bytes are kept")
	fs.BoolVar(&o.memory, "memory", false, "keep the volumes' bytes in memory")
}

func run(ctx context.Context, env *cli.Env) error {
	var o options
	o.define(env.Flags)
	args, err := env.Parse()
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return cli.Usagef("it takes no arguments, only flags")
	}
	server := ec2fake.New(o.options())
	defer server.Close()
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "export AWS_ENDPOINT_URL=http://%s\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\nexport AWS_REGION=us-east-1\n",
		listener.Addr(), ec2fake.DefaultKey, ec2fake.DefaultSecret)
	service := &http.Server{Handler: server}
	stop := context.AfterFunc(ctx, func() { service.Close() })
	defer stop()
	if err := service.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if t := server.Tempo(); t.Blocks > 1 {
		env.Report.Printf("%d blocks in %.2f s, %.0f a second; the quota refused %d", t.Blocks, t.Took.Seconds(), float64(t.Blocks-1)/t.Took.Seconds(), t.Refused)
	}
	return nil
}

func (o *options) options() ec2fake.Options {
	opts := ec2fake.Options{
		Quotas: o.quotas, BlockRate: o.blockRate, Hidden: o.hidden, Ready: o.ready, Copying: o.copying, Folder: o.folder, Memory: o.memory,
		Encrypted: set(o.encrypted), BlockPublic: set(o.blockPublic),
	}
	if o.faults > 0 {
		opts.Fault = func(service, _ string) ec2fake.Fault {
			if rand.Float64() >= o.faults {
				return ec2fake.None
			}
			return ec2fake.Faults[rand.IntN(len(ec2fake.Faults))]
		}
	}
	return opts
}

// set is the set of a list's words.
func set(list string) map[string]bool {
	words := map[string]bool{}
	for word := range strings.SplitSeq(list, ",") {
		words[word] = word != ""
	}
	return words
}
