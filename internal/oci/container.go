package oci

import (
	"context"
	"encoding/json"
	"io"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/respin-project/respin/internal/layer"
	"github.com/respin-project/respin/internal/registry"
)

// usualPath is the search path of a container's programs, as other base images have it.
const usualPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// config is a container's configuration (config.md). The library's type writes
// members that are empty.
type config struct {
	Created      string     `json:"created,omitempty"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	Config       execution  `json:"config"`
	RootFS       rootFS     `json:"rootfs"`
	History      []workStep `json:"history"`
}

type execution struct {
	Env    []string          `json:"Env,omitempty"`
	Cmd    []string          `json:"Cmd,omitempty"`
	Labels map[string]string `json:"Labels,omitempty"`
}

type rootFS struct {
	Type    string    `json:"type"`
	DiffIDs []v1.Hash `json:"diff_ids"`
}

type workStep struct {
	Created   string `json:"created,omitempty"`
	CreatedBy string `json:"created_by"`
}

// Container makes a container image of a root tree, a folder or tar archive.
// Without about.Created it is as old as the newest file in the tree.
func Container(ctx context.Context, path string, about About, c layer.Compression) (*Image, error) {
	t, err := layer.Open(path)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if about.Created.IsZero() {
		about.Created = t.Newest
	}
	l, err := layer.Pack(ctx, t, about.Created, c)
	if err != nil {
		return nil, err
	}
	i := &Image{closers: []io.Closer{l}}
	annotations := about.annotations()
	labels := maps.Clone(annotations)
	maps.Copy(labels, about.Labels)
	created := annotations["org.opencontainers.image.created"]
	platform := about.platform()
	text, err := json.Marshal(config{
		Created: created, Architecture: platform.Architecture, OS: platform.OS,
		Config:  execution{Env: []string{usualPath}, Cmd: shell(t), Labels: labels},
		RootFS:  rootFS{"layers", []v1.Hash{l.DiffID}},
		History: []workStep{{created, "respin oci-push"}},
	})
	if err != nil {
		i.Close()
		return nil, err
	}
	conf, confAt := blobOf(text, types.OCIConfigJSON)
	i.Blobs = []registry.Blob{{Digest: l.Digest, Size: l.Size, Content: l.File}, conf}
	err = i.seal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: confAt,
		Layers:      []v1.Descriptor{{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size}},
		Annotations: annotations,
	}, platform)
	if err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// shell is what runs when nobody says what to run.
func shell(t *layer.Tree) []string {
	for _, path := range []string{"/bin/bash", "/bin/sh"} {
		if t.Has(path) {
			return []string{path}
		}
	}
	return nil
}
