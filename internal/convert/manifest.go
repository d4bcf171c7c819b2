package convert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
)

// Default is what a disk is converted to if nobody says.
const Default = "qcow2"

// Manifest converts the raw disk of an image into formats, or if there are
// none those that its spec names, or else qcow2. The files go into the image's folder,
// and the manifest there gets them as artifacts.
func Manifest(ctx context.Context, m *manifest.Manifest, formats []Format, rep *report.Report) error {
	if formats == nil {
		list := Default
		if m.Spec != nil && len(m.Spec.Formats) > 0 {
			list = strings.Join(m.Spec.Formats, ",")
		}
		var err error
		if formats, err = ParseFormats(list); err != nil {
			return fmt.Errorf("the spec's formats: %w", err)
		}
	}
	disk := m.Artifact("raw")
	if disk == nil {
		return hint.Wrap(errors.New("it has no artifact of the format raw to convert"), "img-build makes one")
	}
	// The disk is there already.
	formats = slices.DeleteFunc(slices.Clone(formats), func(f Format) bool { return m.Image.ID()+"."+f.Ext == disk.Path })
	folder := m.Path(".")
	in, err := source.Open(ctx, m.Path(disk.Path), folder, rep)
	if err != nil {
		return err
	}
	defer in.Close()
	job := Job{Source: in.Disk, Formats: formats, Folder: folder, Disk: Disk{Name: m.Image.ID(), Arch: m.Image.Arch}, SHA256: disk.SHA256, Report: rep}
	made, err := job.Run(ctx)
	if err != nil {
		return err
	}
	for _, a := range made {
		m.Artifacts = slices.DeleteFunc(m.Artifacts, func(old manifest.Artifact) bool { return old.Path == a.Path })
		m.Artifacts = append(m.Artifacts, a)
	}
	return m.Save()
}
