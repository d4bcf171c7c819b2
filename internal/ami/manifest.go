package ami

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/publish"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
)

// Kind is that of an image's publications here.
const Kind = "ami"

// formats are what a disk is read from, the one that is read fastest first.
var formats = []string{"raw", "qcow2", "qcow2:zstd", "vhd", "raw.zst", "raw.gz", "raw.xz"}

// A Job registers the images of manifests and files.
type Job struct {
	Account  *account.Account
	Flags    func(*Settings) // puts what the command line says over a spec's settings
	Workers  int
	DryRun   bool // print what would be done, and do nothing
	Untested bool // publish images that are not tested
	Report   *report.Report
	Done     func(Registration, manifest.Image) // called for each region of an image; may be nil
}

// Manifest registers the image of a manifest. Each region is in the manifest,
// and in its file, as soon as the image is there.
func (j *Job) Manifest(ctx context.Context, m *manifest.Manifest) error {
	if err := publish.Tested(m, j.Untested); err != nil {
		return err
	}
	a := choose(m)
	if a == nil {
		return hint.Wrap(errors.New("it has no artifact with a disk that can be read"), "the formats are %s: img-convert makes one", strings.Join(formats, ", "))
	}
	g, err := j.registrar(ctx, m)
	if err != nil {
		return err
	}
	in, err := source.Open(ctx, m.Path(a.Path), m.Path("."), j.Report)
	if err != nil {
		return err
	}
	defer in.Close()
	disk := Disk{Disk: in.Disk, Path: m.Path(a.Path), SHA256: content(a)}
	check, stop := watch(ctx, m.Path(a.Path), a.SHA256)
	defer stop()
	disk.Check = check
	if disk.SHA256 == "" {
		if disk.SHA256, err = digest(ctx, in, j.Report); err != nil {
			return err
		}
	}
	if err := sameAsTested(m, a, disk.SHA256); err != nil && !j.Untested {
		return err
	}
	file := a.SHA256
	if file == "" {
		if file, err = disk.file(ctx); err != nil {
			return err
		}
	}
	return j.one(ctx, g, m.Image, disk, func(r Registration) error {
		set(m, manifest.Publication{Kind: Kind, Destination: r.Region, Reference: r.ID, Artifact: a.Path, SHA256: file, Digest: "sha256:" + disk.SHA256})
		return m.Save()
	})
}

// File registers the disk in a plain file as an image. landed is called for
// each region as it is done.
func (j *Job) File(ctx context.Context, path string, image manifest.Image, landed func(manifest.Publication) error) error {
	g, err := j.registrar(ctx, &manifest.Manifest{Image: image})
	if err != nil {
		return err
	}
	in, err := source.Open(ctx, path, filepath.Dir(path), j.Report)
	if err != nil {
		return err
	}
	defer in.Close()
	check, stop := watch(ctx, path, "")
	defer stop()
	disk := Disk{Disk: in.Disk, Path: path, Check: check}
	if disk.SHA256, err = digest(ctx, in, j.Report); err != nil {
		return err
	}
	file, err := disk.file(ctx)
	if err != nil {
		return err
	}
	return j.one(ctx, g, image, disk, func(r Registration) error {
		return landed(manifest.Publication{Kind: Kind, Destination: r.Region, Reference: r.ID, Artifact: path, SHA256: file, Digest: "sha256:" + disk.SHA256})
	})
}

// registrar has the settings of a manifest's spec under those of the command
// line, and has found the credentials good and the regions there.
func (j *Job) registrar(ctx context.Context, m *manifest.Manifest) (*Registrar, error) {
	s, err := Of(m)
	if err != nil {
		return nil, err
	}
	j.Flags(&s)
	if len(s.Regions) == 0 && j.Account.DefaultRegion() != "" {
		s.Regions = []string{j.Account.DefaultRegion()}
	}
	if len(s.Regions) == 0 {
		return nil, hint.Wrap(errors.New("no region is given"), "give --region, or set AWS_REGION")
	}
	for i, name := range s.Regions {
		if slices.Contains(s.Regions[:i], name) {
			return nil, fmt.Errorf("region %q is given twice", name)
		}
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	g := &Registrar{Account: j.Account, Settings: s, Workers: j.Workers, Report: j.Report}
	return g, g.regions(ctx)
}

// one registers one image, or says what it would do.
func (j *Job) one(ctx context.Context, g *Registrar, m manifest.Image, disk Disk, landed func(Registration) error) error {
	img, err := g.Settings.resolve(m, disk.Size())
	if err != nil {
		return err
	}
	img.disk = disk.SHA256
	if err := g.preflight(ctx, m.ID(), img); err != nil {
		return err
	}
	if j.DryRun {
		return g.plan(ctx, m.ID(), img, disk)
	}
	return g.register(ctx, m.ID(), img, disk, func(r Registration) error {
		what := "is registered as"
		if !r.New {
			what = "was registered as"
		}
		j.Report.Printf("%s: %s %s %s", r.Region, m.ID(), what, r.ID)
		if j.Done != nil {
			j.Done(r, m)
		}
		return landed(r)
	})
}

// choose returns the artifact to read the disk from; nil if there is none.
// One that is not there any more is passed over, unless it is the last.
func choose(m *manifest.Manifest) *manifest.Artifact {
	var last *manifest.Artifact
	for _, format := range formats {
		if a := m.Artifact(format); a != nil {
			if _, err := os.Stat(m.Path(a.Path)); err == nil {
				return a
			}
			last = a
		}
	}
	return last
}

// content is the SHA-256 of the disk in an artifact; empty if nobody has taken it.
func content(a *manifest.Artifact) string {
	if a.Format == "raw" {
		return a.SHA256
	}
	return a.UncompressedSHA256
}

// sameAsTested checks that the disk of an artifact, whose SHA-256 is sum, is
// the one that was tested, maybe in another artifact.
func sameAsTested(m *manifest.Manifest, a *manifest.Artifact, sum string) error {
	for _, t := range m.Tests {
		for _, tested := range m.Artifacts {
			if tested.Path != t.Artifact || !slices.Contains(formats, tested.Format) {
				continue
			}
			want := content(&tested)
			if want == "" && tested.Format == "raw" {
				want = t.SHA256
			}
			if want != "" && want != sum {
				return hint.Wrap(fmt.Errorf("the disk in %s is not the one that was tested, in %s: its SHA-256 is %s, not %s", m.Path(a.Path), tested.Path, sum, want),
					"run the pipe again from img-build or img-convert on")
			}
		}
	}
	return nil
}

// set adds a publication, or replaces the one at its destination.
func set(m *manifest.Manifest, p manifest.Publication) {
	i := slices.IndexFunc(m.Publications, func(old manifest.Publication) bool { return old.Kind == p.Kind && old.Destination == p.Destination })
	if i < 0 {
		m.Publications = append(m.Publications, p)
		return
	}
	m.Publications[i] = p
}

// Console is where a person finds an image.
func Console(r Registration) string {
	return fmt.Sprintf("https://%s.console.aws.amazon.com/ec2/home?region=%s#ImageDetails:imageId=%s", r.Region, r.Region, r.ID)
}
