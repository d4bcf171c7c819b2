// Package containerdisk writes disks as container images that KubeVirt boots
// ("containerDisk" in its user guide): one layer with a folder disk, which
// the user 107, qemu, can read, and in it one disk image.
package containerdisk

import (
	"archive/tar"

	"github.com/respin-project/respin/internal/ociarchive"
	"github.com/respin-project/respin/internal/ustar"
)

const (
	qemu = 107 // user and group

	// What stands before the qcow2 in the layer: the headers of folder and file.
	layerHead = 2 * ustar.Sector
)

// An Archive is the image around a qcow2.
type Archive struct{ arch string }

// New returns the image for a disk of an architecture, as RPM names it.
func New(arch string) *Archive { return &Archive{arch} }

// Head is how many bytes stand before the qcow2.
func (a *Archive) Head() int64 { return ociarchive.Head + layerHead }

// config is an image's configuration (config.md of the OCI specification).
type config struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	Config       struct{} `json:"config"`
	RootFS       rootFS   `json:"rootfs"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// Finish completes the file around the qcow2 of n bytes.
func (a *Archive) Finish(f ociarchive.File, n int64) error {
	folder, err := ustar.Header(tar.Header{Typeflag: tar.TypeDir, Name: "disk/", Mode: 0o555, Uid: qemu, Gid: qemu})
	if err != nil {
		return err
	}
	file, err := ustar.Header(tar.Header{Name: "disk/disk.img", Mode: 0o444, Uid: qemu, Gid: qemu, Size: n})
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(append(folder, file...), ociarchive.Head); err != nil {
		return err
	}
	end := append(ustar.Pad(n), ustar.End()...)
	if _, err := f.Write(end); err != nil {
		return err
	}
	w, layer, err := ociarchive.Start(f, ociarchive.Layer, layerHead+n+int64(len(end)))
	if err != nil {
		return err
	}
	platform := ociarchive.Platform{Architecture: ociarchive.Architecture(a.arch), OS: "linux"}
	conf, err := w.Add(ociarchive.Config, config{
		Architecture: platform.Architecture,
		OS:           platform.OS,
		RootFS:       rootFS{"layers", []string{layer.Digest}},
	})
	if err != nil {
		return err
	}
	image, err := w.Add(ociarchive.Manifest, ociarchive.Image{
		SchemaVersion: 2,
		MediaType:     ociarchive.Manifest,
		Config:        conf,
		Layers:        []ociarchive.Descriptor{layer},
	})
	if err != nil {
		return err
	}
	image.Platform = &platform
	return w.Close(image)
}
