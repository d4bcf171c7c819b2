package plan

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
)

// A Matrix is what a job of GitHub Actions takes as its strategy's matrix. All
// fields are plain words: letters, digits and . _ + ~ ^ / , -.
type Matrix struct {
	Include []Job `json:"include"`
}

// A Job builds one image.
type Job struct {
	ID       string `json:"id"`   // of the image
	Name     string `json:"name"` // the image's
	Version  string `json:"version"`
	Release  string `json:"release"`
	Arch     string `json:"arch"`
	Spec     string `json:"spec"`     // the spec's folder, or the kickstart if it has none
	Lock     string `json:"lock"`     // path
	Locked   bool   `json:"locked"`   // whether the lock is what is to be built
	Reasons  string `json:"reasons"`  // with commas between them
	Severity string `json:"severity"` // of the gravest security advisory: critical, important, moderate, low, or empty
}

// wordPattern is what names, versions and architectures consist of.
var wordPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~^-]*$`)

// pathPattern is what a path may hold that goes through workflows and shells.
var pathPattern = regexp.MustCompile(`^[A-Za-z0-9._/][A-Za-z0-9._/+@-]*$`)

// Add adds the job for a planned image.
func (m *Matrix) Add(planned *manifest.Manifest) error {
	j := Job{
		ID: planned.Image.ID(), Name: planned.Image.Name, Version: planned.Image.Version, Release: planned.Image.Release, Arch: planned.Image.Arch,
		Spec: planned.Kickstart.Path, Lock: planned.Plan.Lock, Locked: planned.Plan.Locked,
		Reasons: strings.Join(planned.Plan.Reasons, ","), Severity: advisory.Worst(planned.Plan.Advisories),
	}
	if planned.Spec != nil {
		j.Spec = planned.Spec.Path
	}
	return m.AddJob(j)
}

// AddJob adds a job, all fields of which must be plain words.
func (m *Matrix) AddJob(j Job) error {
	for _, word := range []string{j.ID, j.Name, j.Version, j.Release, j.Arch} {
		if !wordPattern.MatchString(word) {
			return fmt.Errorf("%s: %q cannot be in a matrix", j.ID, word)
		}
	}
	for _, path := range []string{j.Spec, j.Lock} {
		if !pathPattern.MatchString(filepath.ToSlash(path)) {
			return hint.Wrap(fmt.Errorf("%s: %q cannot be in a matrix", j.ID, path), "a path may hold letters, digits and . _ / + @ - only")
		}
	}
	m.Include = append(m.Include, j)
	return nil
}
