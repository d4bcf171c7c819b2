package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/respin-project/respin/internal/registry"
)

const (
	maxDocument = 8 << 20 // of the JSON in a layout, bytes
	maxDepth    = 3       // of indexes in indexes
	maxImages   = 1000
	maxMembers  = 100_000 // of an archive
)

// A layout is an OCI image layout (image-layout.md), a folder or an archive of one.
type layout struct {
	open  func(name string) (section, error)
	close func() error
	seen  map[v1.Hash]bool // the manifests, so that no index contains itself
}

type section struct {
	io.ReaderAt
	size int64
}

// IsLayout reports whether a path is an OCI layout: a folder with a file
// oci-layout in it, or a tar archive with one among its members.
func IsLayout(path string) (bool, error) {
	l, err := openLayout(path)
	if err != nil {
		if errors.Is(err, errNoLayout) {
			return false, nil
		}
		return false, err
	}
	return true, l.close()
}

var errNoLayout = errors.New("it is no OCI layout")

// Layout returns the images in an OCI layout, those of the indexes in it
// included. Closing the last of them closes the file.
func Layout(path string) ([]*Image, error) {
	l, err := openLayout(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	images, err := l.images()
	if err == nil && len(images) == 0 {
		err = errors.New("there is no image in it")
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	images[len(images)-1].closers = []io.Closer{closer(l.close)}
	return images, nil
}

type closer func() error

func (c closer) Close() error { return c() }

func openLayout(path string) (*layout, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return openLayoutFolder(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l, err := openLayoutArchive(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	l.close = f.Close
	return l, nil
}

func openLayoutFolder(dir string) (*layout, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if _, err := root.Stat("oci-layout"); err != nil {
		root.Close()
		return nil, errNoLayout
	}
	files := []io.Closer{root}
	return &layout{
		seen: map[v1.Hash]bool{},
		open: func(name string) (section, error) {
			f, err := root.Open(filepath.FromSlash(name))
			if err != nil {
				return section{}, err
			}
			files = append(files, f)
			st, err := f.Stat()
			if err != nil {
				return section{}, err
			}
			return section{f, st.Size()}, nil
		},
		close: func() error {
			var errs []error
			for _, f := range slices.Backward(files) {
				errs = append(errs, f.Close())
			}
			return errors.Join(errs...)
		},
	}, nil
}

// document reads one of the JSON texts.
func (l *layout) document(name string) ([]byte, error) {
	s, err := l.open(name)
	if err != nil {
		return nil, err
	}
	if s.size > maxDocument {
		return nil, fmt.Errorf("%s is longer than %d MiB", name, maxDocument>>20)
	}
	data := make([]byte, s.size)
	if _, err := s.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return data, nil
}

func (l *layout) images() ([]*Image, error) {
	data, err := l.document("index.json")
	if err != nil {
		return nil, err
	}
	return l.index("index.json", data, 0)
}

func (l *layout) index(name string, data []byte, depth int) ([]*Image, error) {
	if depth > maxDepth {
		return nil, errors.New("its indexes are nested too deeply")
	}
	list, err := v1.ParseIndexManifest(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	var images []*Image
	for _, d := range list.Manifests {
		if l.seen[d.Digest] {
			continue
		}
		l.seen[d.Digest] = true
		if len(l.seen) > maxImages {
			return nil, fmt.Errorf("there are more than %d images in it", maxImages)
		}
		data, err := l.manifest(d)
		if err != nil {
			return nil, err
		}
		switch d.MediaType {
		case types.OCIImageIndex, types.DockerManifestList:
			more, err := l.index(d.Digest.String(), data, depth+1)
			if err != nil {
				return nil, err
			}
			images = append(images, more...)
		case types.OCIManifestSchema1, types.DockerManifestSchema2:
			i, err := l.image(d, data)
			if err != nil {
				return nil, fmt.Errorf("reading the image %s: %w", d.Digest, err)
			}
			images = append(images, i)
		default:
			return nil, fmt.Errorf("%s is of the type %q, which is not known", d.Digest, d.MediaType)
		}
	}
	return images, nil
}

// manifest reads a manifest and holds it against its digest.
func (l *layout) manifest(d v1.Descriptor) ([]byte, error) {
	name, err := blobPath(d.Digest)
	if err != nil {
		return nil, err
	}
	data, err := l.document(name)
	if err != nil {
		return nil, err
	}
	if got := (registry.Manifest{Data: data}).Digest(); got != d.Digest {
		return nil, fmt.Errorf("%s has the digest %s", name, got)
	}
	return data, nil
}

func blobPath(h v1.Hash) (string, error) {
	if h.Algorithm != "sha256" || len(h.Hex) != 64 {
		return "", fmt.Errorf("%q is no digest by SHA-256", h.String())
	}
	return "blobs/sha256/" + h.Hex, nil
}

func (l *layout) image(d v1.Descriptor, data []byte) (*Image, error) {
	var m v1.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	i := &Image{Manifest: registry.Manifest{Data: data, MediaType: d.MediaType}}
	i.Entry = i.Manifest.Descriptor()
	i.Entry.Annotations, i.Entry.Platform, i.Entry.ArtifactType = d.Annotations, d.Platform, m.ArtifactType
	delete(i.Entry.Annotations, "org.opencontainers.image.ref.name") // a tag of the layout's
	if len(i.Entry.Annotations) == 0 {
		i.Entry.Annotations = nil
	}
	for _, b := range append(slices.Clone(m.Layers), m.Config) {
		name, err := blobPath(b.Digest)
		if err != nil {
			return nil, err
		}
		s, err := l.open(name)
		if err != nil {
			return nil, err
		}
		if s.size != b.Size {
			return nil, fmt.Errorf("%s has %d bytes instead of %d", name, s.size, b.Size)
		}
		i.Blobs = append(i.Blobs, registry.Blob{Digest: b.Digest, Size: b.Size, Content: s})
	}
	if i.Entry.Platform == nil {
		i.Entry.Platform = l.platform(m.Config)
	}
	return i, nil
}

// platform is what an image's configuration says, nil if it does not.
func (l *layout) platform(d v1.Descriptor) *v1.Platform {
	name, err := blobPath(d.Digest)
	if err != nil {
		return nil
	}
	data, err := l.document(name)
	if err != nil {
		return nil
	}
	var c struct {
		Architecture, OS, Variant string
	}
	if json.Unmarshal(data, &c) != nil || c.Architecture == "" {
		return nil
	}
	return &v1.Platform{Architecture: c.Architecture, OS: c.OS, Variant: c.Variant}
}
