// Package ociarchive writes an OCI image layout (OCI Image Format
// Specification 1.1, image-layout.md) as one tar archive around a large blob
// that is already in its place. Skopeo and Podman call it oci-archive.
package ociarchive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"

	"github.com/respin-project/respin/internal/ustar"
)

// The media types of what an archive holds.
const (
	Index    = "application/vnd.oci.image.index.v1+json"
	Manifest = "application/vnd.oci.image.manifest.v1+json"
	Config   = "application/vnd.oci.image.config.v1+json"
	Layer    = "application/vnd.oci.image.layer.v1.tar"
	Empty    = "application/vnd.oci.empty.v1+json"
)

// A Descriptor points at a blob (descriptor.md).
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"` // "sha256:" and hex
	Size         int64             `json:"size"`   // bytes
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
}

// A Platform is what an image runs on.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// An Image is a manifest (manifest.md).
type Image struct {
	SchemaVersion int               `json:"schemaVersion"` // 2
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// A List is an image index (image-index.md).
type List struct {
	SchemaVersion int          `json:"schemaVersion"` // 2
	MediaType     string       `json:"mediaType"`
	Manifests     []Descriptor `json:"manifests"`
}

// A File is what an archive is written to.
type File interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
}

// A Writer adds to an archive that begins with a blob.
type Writer struct{ file File }

// Head is how many bytes stand before the blob.
const Head = ustar.Sector

// Start returns the writer of an archive whose first blob, of n bytes, is in
// the file already, and that blob's descriptor.
func Start(f File, mediaType string, n int64) (*Writer, Descriptor, error) {
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(f, Head, n)); err != nil {
		return nil, Descriptor{}, err
	}
	sum := digest.Sum(nil)
	header, err := ustar.Header(tar.Header{Name: blobPath(sum), Mode: 0o644, Size: n})
	if err != nil {
		return nil, Descriptor{}, err
	}
	if _, err := f.WriteAt(header, 0); err != nil {
		return nil, Descriptor{}, err
	}
	_, err = f.Write(ustar.Pad(n))
	return &Writer{f}, Descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum), Size: n}, err
}

func blobPath(sum []byte) string { return "blobs/sha256/" + hex.EncodeToString(sum) }

// Add adds v as a blob of JSON and returns its descriptor.
func (w *Writer) Add(mediaType string, v any) (Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return Descriptor{}, err
	}
	sum := sha256.Sum256(data)
	return Descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(data))},
		w.member(blobPath(sum[:]), data)
}

// Close ends the archive, of which root is the manifest or index.
func (w *Writer) Close(root Descriptor) error {
	index, err := json.Marshal(List{SchemaVersion: 2, MediaType: Index, Manifests: []Descriptor{root}})
	if err != nil {
		return err
	}
	if err := w.member("index.json", index); err != nil {
		return err
	}
	if err := w.member("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	_, err = w.file.Write(ustar.End())
	return err
}

func (w *Writer) member(name string, data []byte) error {
	file, err := ustar.File(name, data)
	if err != nil {
		return err
	}
	_, err = w.file.Write(file)
	return err
}

// Architecture is what Go, and so OCI, calls an architecture that RPM calls name.
func Architecture(name string) string {
	switch name {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return name
}
