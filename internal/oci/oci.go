// Package oci makes what is pushed to container registries (OCI Image Format
// Specification 1.1): container images of root trees, artifacts of plain
// files, and those that lie in OCI layouts already.
package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/respin-project/respin/internal/ociarchive"
	"github.com/respin-project/respin/internal/registry"
)

// An Image is a manifest with its blobs: a container image or an artifact.
type Image struct {
	Manifest registry.Manifest
	// Entry points at the manifest from an index, with the platform.
	Entry v1.Descriptor
	Blobs []registry.Blob

	closers []io.Closer
}

// Close closes the files that the blobs are in.
func (i *Image) Close() error {
	var errs []error
	for _, c := range i.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// About is what an image says of itself.
type About struct {
	Arch        string // as RPM names it
	Created     time.Time
	Annotations map[string]string // org.opencontainers.image.* and others
	Labels      map[string]string // of a container's configuration, besides the annotations
}

func (a About) platform() *v1.Platform {
	return &v1.Platform{OS: "linux", Architecture: ociarchive.Architecture(a.Arch)}
}

// annotations are the given ones and the time.
func (a About) annotations() map[string]string {
	all := maps.Clone(a.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	if !a.Created.IsZero() && all["org.opencontainers.image.created"] == "" {
		all["org.opencontainers.image.created"] = a.Created.UTC().Format(time.RFC3339)
	}
	return all
}

// seal completes an image once its manifest is known.
func (i *Image) seal(m v1.Manifest, platform *v1.Platform) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	i.Manifest = registry.Manifest{Data: data, MediaType: m.MediaType}
	i.Entry = i.Manifest.Descriptor()
	i.Entry.Platform, i.Entry.ArtifactType = platform, m.ArtifactType
	return nil
}

// Annotate adds annotations to an image's manifest.
func (i *Image) Annotate(annotations map[string]string) error {
	if len(annotations) == 0 {
		return nil
	}
	var m v1.Manifest
	if err := json.Unmarshal(i.Manifest.Data, &m); err != nil {
		return err
	}
	if m.Annotations == nil {
		m.Annotations = map[string]string{}
	}
	maps.Copy(m.Annotations, annotations)
	old := i.Entry
	if err := i.seal(m, old.Platform); err != nil {
		return err
	}
	i.Entry.Annotations = old.Annotations
	return nil
}

// The configuration of what is no container (manifest.md, "Guidance for an Empty Descriptor").
var emptyJSON = []byte("{}")

func blobOf(data []byte, mediaType types.MediaType) (registry.Blob, v1.Descriptor) {
	d := registry.Manifest{Data: data, MediaType: mediaType}.Descriptor()
	return registry.Blob{Digest: d.Digest, Size: d.Size, Content: bytesAt(data)}, d
}

type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// File is one that becomes a layer of an artifact as it is.
type File struct {
	Path      string // where it is read
	Title     string // what whoever pulls it calls it
	MediaType string
	SHA256    string // hex, if it is known; the registry holds the file to it
}

// NewArtifact makes an artifact of one file. subject is what it belongs to, or nil.
func NewArtifact(f File, subject *v1.Descriptor, annotations map[string]string, platform *v1.Platform) (*Image, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	i := &Image{closers: []io.Closer{file}}
	if err := i.artifact(file, f, subject, annotations, platform); err != nil {
		i.Close()
		return nil, fmt.Errorf("reading %s: %w", f.Path, err)
	}
	return i, nil
}

func (i *Image) artifact(file *os.File, f File, subject *v1.Descriptor, annotations map[string]string, platform *v1.Platform) error {
	size, digest, err := measure(file, f.SHA256)
	if err != nil {
		return err
	}
	config, configAt := blobOf(emptyJSON, ociarchive.Empty)
	i.Blobs = []registry.Blob{{Digest: digest, Size: size, Content: file}, config}
	layer := v1.Descriptor{MediaType: types.MediaType(f.MediaType), Digest: digest, Size: size,
		Annotations: map[string]string{"org.opencontainers.image.title": f.Title}}
	return i.seal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: f.MediaType,
		Config: configAt, Layers: []v1.Descriptor{layer}, Annotations: annotations, Subject: subject,
	}, platform)
}

// Disk makes an artifact of a disk in a plain file.
func Disk(f File, about About) (*Image, error) {
	return NewArtifact(f, nil, about.annotations(), about.platform())
}
