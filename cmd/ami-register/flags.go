package main

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/ami"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/near"
)

type options struct {
	settings                         ami.Settings
	regions, accounts, organizations string
	tags                             cli.Strings
	volumeSize, workers, keep        int
	retire, olderThan, arch          string
	dryRun, untested, applyIt        bool
	flags                            *flag.FlagSet
}

func (o *options) define(fs *flag.FlagSet) {
	o.flags = fs
	s := &o.settings
	fs.StringVar(&o.regions, "region", "", "regions, separated by commas")
	fs.StringVar(&s.Name, "name", "", "the image's name")
	fs.StringVar(&s.Description, "description", "", "its description")
	fs.StringVar(&s.Family, "family", "", "what images are retired among")
	fs.StringVar(&s.BootMode, "boot-mode", "", "how machines boot")
	fs.StringVar(&s.RootDevice, "root-device", "", "the root volume's device")
	fs.IntVar(&o.volumeSize, "volume-size", 0, "the root volume's size, GiB")
	fs.BoolVar(&s.TPM, "tpm", false, "give machines a TPM")
	fs.BoolVar(&s.Public, "public", false, "let everybody launch it")
	fs.StringVar(&o.accounts, "account", "", "accounts that may launch it")
	fs.StringVar(&o.organizations, "organization", "", "organisations that may launch it")
	fs.Var(&o.tags, "tag", "a tag, KEY=VALUE")
	fs.StringVar(&s.Deprecate, "deprecate", "", "when it is deprecated")
	fs.StringVar(&s.Parameter, "ssm-parameter", "", "an SSM parameter for its id")
	fs.BoolVar(&o.untested, "allow-untested", false, "publish what is not tested, too")
	fs.StringVar(&o.arch, "arch", "", "the architecture of a plain file")
	fs.IntVar(&o.workers, "workers", 64, "blocks on their way at a time")
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be done")
	fs.StringVar(&o.retire, "retire", "", "deprecate or delete")
	fs.IntVar(&o.keep, "keep", 0, "the newest that are never retired")
	fs.StringVar(&o.olderThan, "older-than", "", "the age from which images are retired")
	fs.BoolVar(&o.applyIt, "apply", false, "retire them")
}

// check finds wrong use, before anything is asked of AWS.
func (o *options) check(args []string) error {
	if o.workers < 1 || o.workers > 1024 {
		return cli.Usagef("--workers: %d is not between 1 and 1024", o.workers)
	}
	if o.volumeSize < 0 || o.volumeSize > 64<<10 {
		return cli.Usagef("--volume-size: %d GiB is not between 1 and 65536", o.volumeSize)
	}
	if _, err := cli.Pairs("tag", "KEY=VALUE", o.tags); err != nil {
		return err
	}
	var s ami.Settings
	o.apply(&s)
	if err := s.Check(); err != nil {
		return cli.Usagef("%w", err)
	}
	if o.retire != "" {
		_, err := o.retirement()
		if err == nil && len(args) == 0 {
			err = hint.Wrap(cli.Usagef("--retire wants the families to retire images of"), "the tag respin:family of an image names its family, such as fedora-cloud-base-43.x86_64")
		}
		return err
	}
	for _, name := range []string{"keep", "older-than", "apply"} {
		if o.given(name) {
			return cli.Usagef("--%s goes with --retire", name)
		}
	}
	switch {
	case len(args) > 1:
		return hint.Wrap(cli.Usagef("one plain file is registered at a time, not %d", len(args)), "each needs a --name of its own; manifests come on standard input")
	case len(args) == 1 && o.settings.Name == "":
		return cli.Usagef("a plain file needs --name")
	case len(args) == 0 && o.arch != "":
		return cli.Usagef("--arch is for a plain file: a manifest says it")
	}
	return nil
}

func (o *options) given(name string) bool {
	found := false
	o.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// apply puts what flags say over a spec's settings.
func (o *options) apply(s *ami.Settings) {
	o.flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "region":
			s.Regions = list(o.regions)
		case "name":
			s.Name = o.settings.Name
		case "description":
			s.Description = o.settings.Description
		case "family":
			s.Family = o.settings.Family
		case "boot-mode":
			s.BootMode = o.settings.BootMode
		case "root-device":
			s.RootDevice = o.settings.RootDevice
		case "volume-size":
			s.VolumeSize = int32(o.volumeSize)
		case "tpm":
			s.TPM = o.settings.TPM
		case "public":
			s.Public = o.settings.Public
		case "account":
			s.Accounts = list(o.accounts)
		case "organization":
			s.Organizations = list(o.organizations)
		case "deprecate":
			s.Deprecate = o.settings.Deprecate
		case "ssm-parameter":
			s.Parameter = o.settings.Parameter
		case "tag":
			tags := maps.Clone(s.Tags)
			if tags == nil {
				tags = map[string]string{}
			}
			added, _ := cli.Pairs("tag", "KEY=VALUE", o.tags) // check has found no fault
			maps.Copy(tags, added)
			s.Tags = tags
		}
	})
}

// list is the words of a list that commas separate.
func list(text string) []string {
	words := strings.Split(text, ",")
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

// retirement reads the flags for it.
func (o *options) retirement() (ami.Retirement, error) {
	r := ami.Retirement{Delete: o.retire == "delete", Keep: o.keep, Apply: o.applyIt, Now: time.Now()}
	if o.retire != "delete" && o.retire != "deprecate" {
		err := cli.Usagef("--retire: %q is neither deprecate nor delete", o.retire)
		if meant, ok := near.Name(o.retire, []string{"deprecate", "delete"}); ok {
			err = hint.Wrap(err, "did you mean %s?", meant)
		}
		return r, err
	}
	if o.dryRun && o.applyIt {
		return r, cli.Usagef("--dry-run and --apply contradict each other")
	}
	if !o.given("keep") && !o.given("older-than") {
		return r, cli.Usagef("--retire wants --keep or --older-than, or both")
	}
	if o.keep < 0 {
		return r, cli.Usagef("--keep: it cannot be negative")
	}
	if o.olderThan != "" {
		var err error
		if r.Older, err = ami.ParseAge(o.olderThan); err != nil {
			return r, cli.Usagef("--older-than: %w", err)
		}
	}
	return r, nil
}
