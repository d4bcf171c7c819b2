// Package plan finds out which images are due to be built again, and why: it
// holds their specs and locks against the files that changed and against the
// repositories as they are now.
package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/origin"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/spec"
)

// Why an image can be due.
const (
	Kickstart = "kickstart" // a file that it is made from changed
	Lock      = "lock"      // it has none yet
	Packages  = "packages"  // installed packages changed in the repositories
	Security  = "security"  // a security advisory applies to an installed package
	Due       = "due"       // it was not released for long
)

// Reasons are all of them, in the order in which plans have them.
var Reasons = []string{Kickstart, Lock, Packages, Security, Due}

// A Planner plans images. It reads each repository once for all of them.
type Planner struct {
	Fetcher  *fetch.Fetcher
	Report   *report.Report
	Replace  map[string]string // base URLs in place of those of the kickstarts' repositories, by name
	Settings spec.Settings     // for rendering

	Count   []string      // the Reasons for which an image is due
	Since   string        // the commit to which files are compared; empty: files are not
	Age     time.Duration // after which an image is due
	Now     time.Time
	Update  bool // write new locks
	Gravest int  // the Rank that the gravest security advisory needs at least to count

	stores  map[string]*store          // the repositories that were opened
	changed map[string]map[string]bool // the files that changed, by folder of a spec
	warned  map[string]bool            // what was said already, for another release or architecture
	met     map[string]bool            // the names of all repositories of the kickstarts
}

// counts reports whether an image is due for a reason.
func (p *Planner) counts(reason string) bool { return slices.Contains(p.Count, reason) }

// Plan renders an image and returns its manifest with the section plan; nil if
// it is not due. With Update its new lock is written.
func (p *Planner) Plan(ctx context.Context, t spec.Target) (*manifest.Manifest, error) {
	if p.stores == nil {
		p.stores, p.changed, p.warned, p.met = map[string]*store{}, map[string]map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	ks, err := t.Render(ctx, p.Settings)
	if ks != nil {
		p.warn(ks.Warnings)
	}
	if err != nil {
		return nil, err
	}
	if t.Release.Version == "" {
		return nil, fmt.Errorf("%s: which release is it for? It has no #version=", t.Kickstart)
	}
	for _, name := range origin.Names(ks) {
		p.met[name] = true
	}
	i := &image{Planner: p, target: t, ks: ks, m: t.Manifest(ks, p.Settings), plan: new(manifest.Plan)}
	if i.lock, i.plan.Lock, err = findLock(t); err != nil {
		return nil, err
	}
	if err := i.reasons(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", i.m.Image.ID(), err)
	}
	if len(i.plan.Reasons) == 0 {
		return nil, nil
	}
	p.Report.Printf("%s is due: %s", i.m.Image.ID(), i.describe())
	if p.Update && i.lock != nil {
		if err := i.update(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", i.m.Image.ID(), err)
		}
	}
	i.plan.Locked = i.plan.Locked || i.lock != nil && slices.Contains(i.plan.Files, i.plan.Lock)
	i.m.Plan = i.plan
	return i.m, nil
}

// Check reports names of Replace that no kickstart which was planned has a repository of.
func (p *Planner) Check() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.Replace)) {
		if !p.met[name] {
			err := fmt.Errorf("--repo %s: no kickstart has such a repository", name)
			errs = append(errs, hint.Wrap(err, "the kickstarts have %s", strings.Join(slices.Sorted(maps.Keys(p.met)), ", ")))
		}
	}
	return errors.Join(errs...)
}

// reasons fills in the plan.
func (i *image) reasons(ctx context.Context) error {
	var err error
	because := func(reason string, so bool) {
		if so && i.counts(reason) {
			i.plan.Reasons = append(i.plan.Reasons, reason)
		}
	}
	if i.Since != "" {
		if i.plan.Files, err = i.changedFiles(ctx); err != nil {
			return err
		}
		because(Kickstart, len(i.plan.Files) > 0)
	}
	because(Lock, i.lock == nil)
	if i.lock == nil {
		return nil
	}
	if i.Since == "" {
		because(Kickstart, i.lock.Kickstart != "" && i.lock.Kickstart != i.m.Kickstart.Digest)
	}
	if i.plan.Released, err = i.released(ctx); err != nil {
		return err
	}
	late := i.counts(Due) && i.Now.Sub(time.Unix(i.plan.Released, 0)) >= i.Age
	i.onlySecurity = i.counts(Security) && !i.counts(Packages) && !late
	if i.counts(Packages) || i.counts(Security) || i.counts(Due) {
		if err := i.hold(ctx); err != nil {
			return err
		}
		because(Packages, len(i.plan.Packages) > 0)
		because(Security, slices.ContainsFunc(i.plan.Advisories, func(a manifest.Advisory) bool {
			return advisory.IsSecurity(&a) && advisory.Rank(a.Severity) >= i.Gravest
		}))
	}
	because(Due, late)
	return nil
}

// released is when the image was made last: the lock's date, or where it has
// none that of the commit that changed the lock last; 0 if nobody knows.
func (i *image) released(ctx context.Context) (int64, error) {
	if i.lock.SourceDate > 0 || !i.counts(Due) {
		return i.lock.SourceDate, nil
	}
	return committed(ctx, i.plan.Lock)
}

// lockPaths are where a target's lock may lie, that of a new one first. Where a
// spec has several releases, each has a lock of its own; one that is called
// as if there were only one release is taken as well if it is for this one.
func lockPaths(t spec.Target) []string {
	own := t.Lock()
	return slices.Compact([]string{own, filepath.Join(filepath.Dir(own), "lock."+t.Arch+".json"), filepath.Join(filepath.Dir(own), "lock."+t.Release.Version+"."+t.Arch+".json")})
}

// findLock returns a target's lock, nil if it has none, and its path.
func findLock(t spec.Target) (*lock.Lock, string, error) {
	paths := lockPaths(t)
	for _, path := range paths {
		l, err := lock.Read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, "", err
		}
		if l.Image == (lock.Image{Name: t.Name, Version: t.Release.Version, Arch: t.Arch}) {
			return l, path, nil
		}
	}
	return nil, paths[0], nil
}

// describe is the plan in a line for people.
func (i *image) describe() string {
	var parts []string
	for _, reason := range i.plan.Reasons {
		switch reason {
		case Kickstart:
			parts = append(parts, "changed: "+strings.Join(i.plan.Files, ", "))
		case Lock:
			parts = append(parts, "there is no lock "+i.plan.Lock)
		case Packages:
			parts = append(parts, fmt.Sprintf("packages that changed: %d", len(i.plan.Packages)))
		case Security:
			parts = append(parts, "security advisories: "+i.severities())
		case Due:
			parts = append(parts, "released last on "+time.Unix(i.plan.Released, 0).UTC().Format(time.DateOnly))
		}
	}
	return strings.Join(parts, "; ")
}

// severities counts the security advisories, such as "3, the worst important, reboot suggested".
func (i *image) severities() string {
	n, reboot := 0, false
	for j := range i.plan.Advisories {
		if a := &i.plan.Advisories[j]; advisory.IsSecurity(a) {
			n, reboot = n+1, reboot || a.Reboot
		}
	}
	s := fmt.Sprint(n)
	if worst := advisory.Worst(i.plan.Advisories); worst != "" {
		s += ", the worst " + worst
	}
	if reboot {
		s += ", reboot suggested"
	}
	return s
}
