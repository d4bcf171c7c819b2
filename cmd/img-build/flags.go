package main

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/build"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/spec"
)

type options struct {
	output              string
	koji                *string
	repos, keys, locked cli.Strings
	insecure, offline   bool
	diskSize, space     size
	timeout             time.Duration
	network             bool
}

func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.output, "output", "out", "")
	fs.Var(&o.repos, "repo", "")
	fs.Var(&o.keys, "key", "")
	fs.BoolVar(&o.insecure, "insecure-no-signatures", false, "")
	fs.Var(&o.locked, "locked", "")
	fs.Func("koji", "", o.setKoji)
	fs.BoolVar(&o.offline, "offline", false, "")
	fs.Var(&o.diskSize, "disk-size", "")
	fs.DurationVar(&o.timeout, "script-timeout", 0, "")
	fs.Var(&o.space, "script-space", "")
	fs.BoolVar(&o.network, "script-network", false, "")
}

// setKoji takes a URL or a folder. An empty one is not the same as none.
func (o *options) setKoji(address string) error {
	if u, err := url.Parse(address); err != nil || strings.Contains(address, "://") && u.Host == "" && u.Scheme != "file" {
		return errors.New("it is no URL and no folder")
	}
	o.koji = &address
	return nil
}

// size is a flag for a number of bytes, such as 5GiB.
type size int64

func (s *size) String() string { return report.Size(int64(*s)) }

func (s *size) Set(text string) error {
	n, err := spec.ParseSize(text)
	*s = size(n)
	return err
}

// engine checks the flags and the files that they name.
func (o *options) engine(env *cli.Env) (*build.Engine, error) {
	e := &build.Engine{
		Report: env.Report, Output: o.output, Insecure: o.insecure, DiskSize: int64(o.diskSize),
		Koji:    o.koji,
		Scripts: manifest.Scripts{Network: o.network, Space: int64(o.space), Timeout: manifest.Duration(o.timeout)},
	}
	var err error
	if e.Replace, err = cli.Repos(o.repos); err != nil {
		return nil, err
	}
	for _, file := range o.keys {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the key: %w", err)
		}
		if err := new(rpm.Keyring).Add(data); err != nil {
			return nil, fmt.Errorf("reading the key %s: %w", file, err)
		}
		e.Keys = append(e.Keys, data)
	}
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		date, err := strconv.ParseInt(text, 10, 64)
		if err != nil || date <= 0 {
			return nil, cli.Usagef("SOURCE_DATE_EPOCH is %q, which is no number of seconds since 1970", text)
		}
		e.SourceDate = date
	}
	e.Locks, err = readLocks(o.locked)
	return e, err
}

// readLocks reads locks, of which each is for another image.
func readLocks(files []string) ([]*lock.Lock, error) {
	var all []*lock.Lock
	of := map[lock.Image]string{}
	for _, file := range files {
		l, err := lock.Read(file)
		if err != nil {
			return nil, err
		}
		if before, ok := of[l.Image]; ok {
			return nil, cli.Usagef("%s and %s are both locks of %s %s on %s", before, file, l.Image.Name, l.Image.Version, l.Image.Arch)
		}
		of[l.Image] = file
		all = append(all, l)
	}
	return all, nil
}
