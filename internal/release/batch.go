// Package release proposes tested images for release: a batch of locks becomes
// one pull request, whose merge is the decision to publish them, and a merged
// one a tag.
package release

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
)

// Folder is where the notes and records of releases are in the repository.
const Folder = "releases"

// branchPrefix is in front of the batch's name in the name of its branch.
const branchPrefix = "respin/"

// A Batch is a set of images whose locks were tested together and are released together.
type Batch struct {
	Name   string
	Images []*Image // by the path of their locks
}

// An Image is one of a batch.
type Image struct {
	*manifest.Manifest
	Lock *lock.Lock // that it was built from
	Path string     // of the lock, in the repository
	Text []byte     // of the lock, as the file holds it
}

// Branch is the branch that the batch's pull request comes from.
func (b *Batch) Branch() string { return branchPrefix + b.Name }

// NewImage takes an image from its manifest and the lock among its files.
// specs is the folder of the specs in the repository, below which the lock's
// path must lie: what a plan says, or else the image's spec, or else
// SPECS/NAME/lock.ARCH.json.
func NewImage(m *manifest.Manifest, specs string) (*Image, error) {
	if m.Build == nil {
		return nil, hint.Wrap(errors.New("it has not been built"), "pass it through img-build and img-smoke first")
	}
	at, err := lockPath(m, specs)
	if err != nil {
		return nil, err
	}
	a := m.Artifact("lock")
	if a == nil {
		return nil, hint.Wrap(errors.New("its manifest names no lock"), "img-build writes one: build the image again")
	}
	l, err := lock.Read(m.Path(a.Path))
	if err != nil {
		return nil, err
	}
	if want := (lock.Image{Name: m.Image.Name, Version: m.Image.Version, Arch: m.Image.Arch}); l.Image != want {
		return nil, fmt.Errorf("its lock is for %q %q on %q", l.Image.Name, l.Image.Version, l.Image.Arch)
	}
	text, err := l.Text()
	if err != nil {
		return nil, err
	}
	digest, err := l.Digest()
	if err != nil {
		return nil, err
	}
	if digest != m.Build.Lock {
		return nil, hint.Wrap(fmt.Errorf("it was built from the lock %s, and %s is %s", m.Build.Lock, m.Path(a.Path), digest), "the file was changed after the build: build and test the image again")
	}
	return &Image{m, l, at, text}, nil
}

// lockName is how the file of a lock is called. Nothing else is written below
// the specs: a manifest is made from what a pull request may hold.
var lockName = regexp.MustCompile(`^lock\.[A-Za-z0-9][A-Za-z0-9._-]*\.json$`)

func lockPath(m *manifest.Manifest, specs string) (string, error) {
	at := path.Join(specs, m.Image.Name, "lock."+m.Image.Arch+".json")
	switch {
	case m.Plan != nil && m.Plan.Lock != "":
		at = m.Plan.Lock
	case m.Spec != nil && m.Spec.Lock != "":
		at = m.Spec.Lock
	case m.Spec != nil && m.Spec.Path != "": // of an older version
		at = m.Spec.Path + "/lock." + m.Image.Arch + ".json"
	}
	if !strings.HasPrefix(at, specs+"/") || CheckPath(at) != nil || !lockName.MatchString(path.Base(at)) {
		return "", hint.Wrap(fmt.Errorf("its lock would be %q, which is no lock below %s in the repository", at, specs), "run ks-render in the root of the repository, and name the folder of its specs with --specs")
	}
	return at, nil
}

// CheckPath refuses what is not the plain path of a file in a repository.
func CheckPath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || strings.Trim(part, ".") == "" || strings.EqualFold(part, ".git") || strings.HasPrefix(strings.ToLower(part), "git~") ||
			strings.ContainsFunc(part, func(c rune) bool { return c < ' ' || c > '~' || c == '\\' || c == ':' }) {
			return fmt.Errorf("%q is no path inside a repository", p)
		}
	}
	return nil
}

// batchName is what can be part of a branch, a tag and a file's name.
var batchName = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)

const mostName = 100

// CheckName refuses what cannot be the name of a batch.
func CheckName(name string) error {
	if !batchName.MatchString(name) || len(name) > mostName || strings.HasSuffix(name, ".lock") {
		return hint.Wrap(fmt.Errorf("%q cannot be the name of a batch", name), "it holds letters and digits, and single . _ - between them, at most %d, and does not end with .lock", mostName)
	}
	return nil
}

// NewBatch makes a batch of images. Without a name it is called as its images
// are, if they are all called the same and that can be the name of a batch, or
// else "images".
func NewBatch(name string, images []*Image) (*Batch, error) {
	if name == "" {
		name = "images"
		if n := images[0].Image.Name; CheckName(n) == nil && !slices.ContainsFunc(images, func(i *Image) bool { return i.Image.Name != n }) {
			name = n
		}
	}
	if err := CheckName(name); err != nil {
		return nil, err
	}
	b := &Batch{name, slices.SortedFunc(slices.Values(images), func(x, y *Image) int { return strings.Compare(x.Path, y.Path) })}
	for n, i := range b.Images[1:] {
		if before := b.Images[n]; before.Path == i.Path {
			return nil, hint.Wrap(fmt.Errorf("%s and %s have the same lock, %s", before.Image.ID(), i.Image.ID(), i.Path), "each image has a lock of its own: propose each once, and let ks-render or img-plan of this version write their manifests")
		}
	}
	return b, nil
}
