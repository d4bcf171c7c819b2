package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/layer"
	"github.com/respin-project/respin/internal/manifest"
)

// ContainerFormat is the format of an artifact that is a root tree in a tar archive.
const ContainerFormat = "container"

// preferred are the formats that are made for registries, in the order in
// which one of them is taken when nobody says which.
var preferred = []string{ContainerFormat, "containerdisk", "podman-machine"}

// Choose returns the artifacts of a manifest that go to a registry together:
// those of a format and, as podman machine has one for each kind of host, of
// its variants, which are called FORMAT:VARIANT. Without a format it is the first of those made for registries.
func Choose(m *manifest.Manifest, format string) ([]manifest.Artifact, error) {
	formats := []string{format}
	if format == "" {
		formats = preferred
	}
	for _, f := range formats {
		var chosen []manifest.Artifact
		for _, a := range m.Artifacts {
			if a.Format == f || f == "podman-machine" && strings.HasPrefix(a.Format, f+":") {
				chosen = append(chosen, a)
			}
		}
		if len(chosen) > 0 {
			return chosen, nil
		}
	}
	if format == "" {
		return nil, hint.Wrap(errors.New("none of its artifacts is made for registries"),
			"img-convert --to containerdisk or podman-machine makes one; --format pushes another as it is")
	}
	return nil, hint.Wrap(fmt.Errorf("it has no artifact of the format %q", format), "it has %s", strings.Join(formatsOf(m), ", "))
}

func formatsOf(m *manifest.Manifest) []string {
	var names []string
	for _, a := range m.Artifacts {
		if !slices.Contains(names, a.Format) {
			names = append(names, a.Format)
		}
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}

// AboutManifest is what an image says of itself by its manifest.
func AboutManifest(m *manifest.Manifest) About {
	about := About{Arch: m.Image.Arch, Annotations: map[string]string{
		"org.opencontainers.image.title":   m.Image.Name,
		"org.opencontainers.image.version": m.Image.Version + "-" + m.Image.Release,
	}}
	if m.Image.Summary != "" {
		about.Annotations["org.opencontainers.image.description"] = m.Image.Summary
	}
	if m.Build != nil && m.Build.SourceDate != 0 {
		about.Created = time.Unix(m.Build.SourceDate, 0)
	}
	return about
}

// FromArtifact makes of an artifact what goes to a registry. Its file must be the one that the manifest knows.
func FromArtifact(ctx context.Context, m *manifest.Manifest, a manifest.Artifact, about About, c layer.Compression) ([]*Image, error) {
	path := m.Path(a.Path)
	switch base, _, _ := strings.Cut(a.Format, ":"); base {
	case ContainerFormat, "containerdisk", "podman-machine":
		if err := Verify(path, a.SHA256); err != nil {
			return nil, err
		}
		return FromFile(ctx, path, "", about, c)
	}
	mediaType := a.MediaType
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	i, err := Disk(File{path, filepath.Base(a.Path), mediaType, a.SHA256}, about)
	if err != nil {
		return nil, err
	}
	return []*Image{i}, nil
}

// FromFile makes of a plain file or folder what goes to a registry: of an OCI
// layout the images in it, of a root tree a container, and with a media type, or
// of anything else, an artifact.
func FromFile(ctx context.Context, path, mediaType string, about About, c layer.Compression) ([]*Image, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	isLayout := false
	if mediaType == "" {
		if isLayout, err = IsLayout(path); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	var i *Image
	switch {
	case isLayout:
		return fromLayout(path, about.Annotations)
	case mediaType == "" && (st.IsDir() || isTar(path)):
		i, err = Container(ctx, path, about, c)
	default:
		i, err = Disk(File{path, filepath.Base(path), mediaTypeOf(path, mediaType), ""}, about)
	}
	if err != nil {
		return nil, err
	}
	return []*Image{i}, nil
}

func fromLayout(path string, annotations map[string]string) ([]*Image, error) {
	images, err := Layout(path)
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		if err := i.Annotate(annotations); err != nil {
			return nil, errors.Join(err, CloseAll(images))
		}
	}
	return images, nil
}

// isTar tells an archive by its name: what is in a compressed one only unpacking tells.
func isTar(path string) bool {
	name := filepath.Base(path)
	return strings.HasSuffix(name, ".tgz") || slices.Contains(strings.Split(name, ".")[1:], "tar")
}

var mediaTypes = map[string]string{
	".qcow2": "application/x-qemu-disk", ".vmdk": "application/x-vmdk", ".vhd": "application/x-vhd", ".ova": "application/ovf",
	".xz": "application/x-xz", ".zst": "application/zstd", ".gz": "application/gzip", ".box": "application/x-tar", ".json": "application/json",
}

func mediaTypeOf(path, given string) string {
	if given != "" {
		return given
	}
	if t, ok := mediaTypes[filepath.Ext(path)]; ok {
		return t
	}
	return "application/octet-stream"
}

// With returns a copy with more annotations and labels.
func (a About) With(annotations, labels map[string]string) About {
	a.Annotations, a.Labels = maps.Clone(a.Annotations), maps.Clone(labels)
	if a.Annotations == nil {
		a.Annotations = map[string]string{}
	}
	maps.Copy(a.Annotations, annotations)
	return a
}
