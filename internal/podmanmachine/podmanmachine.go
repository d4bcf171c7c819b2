// Package podmanmachine writes disks as the OCI artifacts that
// "podman machine init --image" takes (pkg/machine/ocipull in Podman's
// sources): an index whose entries tell their disk type and platform, and for
// each a manifest with the disk's file as the one layer.
package podmanmachine

import "github.com/respin-project/respin/internal/ociarchive"

// An Archive is the artifact around a disk's file.
type Archive struct {
	name      string
	arch      string
	diskType  string
	mediaType string
}

// Qemu returns the artifact for Linux hosts, around a qcow2. arch is the
// disk's architecture as RPM names it, which is what Podman wants as well;
// name is without an extension.
func Qemu(name, arch string) *Archive {
	return &Archive{name + ".qcow2", arch, "qemu", "application/x-qemu-disk"}
}

// AppleHV returns the artifact for macOS hosts, around a compressed raw disk.
func AppleHV(name, arch string) *Archive {
	return &Archive{name + ".raw.zst", arch, "applehv", "application/zstd"}
}

// Head is how many bytes stand before the disk's file.
func (a *Archive) Head() int64 { return ociarchive.Head }

// Finish completes the file around the disk's of n bytes.
func (a *Archive) Finish(f ociarchive.File, n int64) error {
	w, layer, err := ociarchive.Start(f, a.mediaType, n)
	if err != nil {
		return err
	}
	// Podman tells the kind of the file by this name.
	layer.Annotations = map[string]string{"org.opencontainers.image.title": a.name}
	conf, err := w.Add(ociarchive.Empty, struct{}{})
	if err != nil {
		return err
	}
	entry, err := w.Add(ociarchive.Manifest, ociarchive.Image{
		SchemaVersion: 2,
		MediaType:     ociarchive.Manifest,
		ArtifactType:  a.mediaType,
		Config:        conf,
		Layers:        []ociarchive.Descriptor{layer},
	})
	if err != nil {
		return err
	}
	entry.Annotations = map[string]string{"disktype": a.diskType}
	entry.Platform = &ociarchive.Platform{Architecture: a.arch, OS: "linux"}
	index, err := w.Add(ociarchive.Index, ociarchive.List{
		SchemaVersion: 2,
		MediaType:     ociarchive.Index,
		Manifests:     []ociarchive.Descriptor{entry},
	})
	if err != nil {
		return err
	}
	return w.Close(index)
}
