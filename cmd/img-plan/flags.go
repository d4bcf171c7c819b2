package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/plan"
	"github.com/respin-project/respin/internal/spec"
)

// planner checks the flags.
func (o *options) planner() (*plan.Planner, error) {
	p := &plan.Planner{Now: time.Now(), Since: o.since, Update: o.update}
	var err error
	if p.Count, err = o.count(); err != nil {
		return nil, err
	}
	if o.severity != "" {
		if !o.security {
			return nil, cli.Usagef("--severity goes with --security")
		}
		if p.Gravest = advisory.Rank(o.severity); p.Gravest == 0 {
			return nil, cli.Usagef("--severity cannot be %q, only low, moderate, important and critical", o.severity)
		}
	}
	if o.due != "" {
		if p.Age, err = age(o.due); err != nil {
			return nil, cli.Usagef("--due: %w", err)
		}
	}
	if p.Replace, err = cli.Repos(o.repos); err != nil {
		return nil, err
	}
	p.Settings.ImageRelease = o.imageRelease
	p.Settings.Vars, err = cli.Pairs("var", "NAME=VALUE", o.vars)
	return p, err
}

// count returns the reasons that count.
func (o *options) count() ([]string, error) {
	only := cli.SplitList(o.reasons)
	changes := []string{plan.Kickstart, plan.Lock, plan.Packages, plan.Security}
	switch {
	case o.reasons != "" && (o.security || o.due != ""):
		return nil, cli.Usagef("--reason does not go with --security and --due, which say what counts as well")
	case o.security && o.due != "":
		only = []string{plan.Security, plan.Due}
	case o.security:
		only = []string{plan.Security}
	case o.due != "":
		only = []string{plan.Due}
	case o.reasons == "":
		return changes, nil
	}
	for _, reason := range only {
		if o.reasons != "" && !slices.Contains(changes, reason) {
			return nil, cli.Usagef("--reason cannot be %q, only %s", reason, strings.Join(changes, ", "))
		}
	}
	if o.since != "" && !slices.Contains(only, plan.Kickstart) {
		return nil, cli.Usagef("--since makes no difference: a changed kickstart does not count with these flags")
	}
	return only, nil
}

// age reads a duration that may be in days and weeks.
func age(s string) (time.Duration, error) {
	if s != "" {
		unit := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[len(s)-1]]
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
		if unit != 0 && err == nil {
			return time.Duration(n) * unit, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no age: write it like 30d, 4w or 12h", s)
	}
	return d, nil
}

func (o *options) choice() spec.Choice {
	return spec.Choice{Versions: cli.SplitList(o.releases), Arches: cli.SplitList(o.arches)}
}

// specs are those that are named, or all of specs/.
func specs(args []string) ([]string, error) {
	if len(args) > 0 {
		if slices.Contains(args, "-") {
			return nil, cli.Usagef("a kickstart on standard input has no lock: name a file")
		}
		return args, nil
	}
	files, err := filepath.Glob(filepath.Join("specs", "*", spec.FileName))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, hint.Wrap(cli.Usagef("there is no spec in specs/"), "name the specs' folders, or call it where specs/ is")
	}
	for i, f := range files {
		files[i] = filepath.Dir(f)
	}
	return files, nil
}
