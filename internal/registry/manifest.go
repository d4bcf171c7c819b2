package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxManifest is the largest manifest that is read, in bytes; registries take 4 MiB.
const maxManifest = 8 << 20

// A Manifest is one as it is stored, of an image or an index.
type Manifest struct {
	Data      []byte
	MediaType types.MediaType
}

// Digest is the manifest's name.
func (m Manifest) Digest() v1.Hash {
	sum := sha256.Sum256(m.Data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// Descriptor points at the manifest.
func (m Manifest) Descriptor() v1.Descriptor {
	return v1.Descriptor{MediaType: m.MediaType, Digest: m.Digest(), Size: int64(len(m.Data))}
}

var accepted = strings.Join([]string{
	string(types.OCIImageIndex), string(types.OCIManifestSchema1), string(types.DockerManifestList), string(types.DockerManifestSchema2),
}, ", ")

// Manifest reads the one that a tag or digest names; ok is false if there is none.
// What was damaged on the way is read again.
func (r *Repository) Manifest(ctx context.Context, reference string) (m Manifest, ok bool, err error) {
	for attempt := 1; ; attempt++ {
		m, ok, err = r.manifest(ctx, reference)
		if attempt == 5 || !errors.Is(err, errDamaged) {
			break
		}
		if err := sleep(ctx, pause(attempt)); err != nil {
			return m, false, err
		}
	}
	if err != nil {
		return m, false, fmt.Errorf("reading %s: %w", r.at(reference), err)
	}
	return m, ok, nil
}

// errDamaged says that a manifest does not have its digest.
var errDamaged = errors.New("it was damaged on its way")

func (r *Repository) manifest(ctx context.Context, reference string) (m Manifest, ok bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url("manifests/"+reference).String(), nil)
	if err != nil {
		return m, false, err
	}
	request.Header.Set("Accept", accepted)
	response, err := r.do(request, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return m, false, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return m, false, nil
	}
	m.MediaType = types.MediaType(response.Header.Get("Content-Type"))
	m.Data, err = io.ReadAll(io.LimitReader(response.Body, maxManifest+1))
	if broken(err) {
		return m, false, errors.Join(errDamaged, err)
	} else if err != nil {
		return m, false, err
	}
	if len(m.Data) > maxManifest {
		return m, false, fmt.Errorf("it is longer than %d MiB", maxManifest>>20)
	}
	for _, want := range []string{reference, response.Header.Get("Docker-Content-Digest")} {
		if strings.HasPrefix(want, "sha256:") && want != m.Digest().String() {
			return m, false, fmt.Errorf("%w: the registry gives %s for %s", errDamaged, m.Digest(), want)
		}
	}
	return m, true, nil
}

// at is a reference as people write it.
func (r *Repository) at(reference string) string {
	if strings.HasPrefix(reference, "sha256:") {
		return r.name.String() + "@" + reference
	}
	return r.name.String() + ":" + reference
}

// PutManifest stores a manifest, and moves a tag to it unless tag is empty.
// It is sent only where it is not there yet; the registry must answer with its digest.
func (r *Repository) PutManifest(ctx context.Context, m Manifest, tag string) error {
	reference := tag
	if tag == "" {
		reference = m.Digest().String()
	}
	if have, err := r.head(ctx, reference); err != nil {
		return fmt.Errorf("asking for %s: %w", r.at(reference), err)
	} else if have == m.Digest() {
		return nil
	}
	if _, err := r.put(ctx, m, reference); err != nil {
		return fmt.Errorf("writing %s: %w", r.at(reference), err)
	}
	return nil
}

// head is the digest of what a reference names, zero if there is nothing or the registry does not say.
func (r *Repository) head(ctx context.Context, reference string) (v1.Hash, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, r.url("manifests/"+reference).String(), nil)
	if err != nil {
		return zero, err
	}
	request.Header.Set("Accept", accepted)
	response, err := r.do(request, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return zero, err
	}
	response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return zero, nil
	}
	digest, err := v1.NewHash(response.Header.Get("Docker-Content-Digest"))
	if err != nil {
		return zero, nil // an old registry: it gets the manifest again
	}
	return digest, nil
}

// put stores a manifest under a reference and returns the answer's headers.
// Distribution does not know a blob for a moment while somebody else uploads the same, so
// it is asked again before that is believed.
func (r *Repository) put(ctx context.Context, m Manifest, reference string) (http.Header, error) {
	for attempt := 1; ; attempt++ {
		header, err := r.putOnce(ctx, m, reference)
		if attempt == 6 || !said(err, transport.ManifestBlobUnknownErrorCode) {
			return header, err
		}
		if err := sleep(ctx, pause(attempt)); err != nil {
			return nil, err
		}
	}
}

func (r *Repository) putOnce(ctx context.Context, m Manifest, reference string) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url("manifests/"+reference).String(), bytes.NewReader(m.Data))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", string(m.MediaType))
	response, err := r.do(request, http.StatusOK, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return nil, err
	}
	response.Body.Close()
	if digest := response.Header.Get("Docker-Content-Digest"); digest != "" && digest != m.Digest().String() {
		return nil, fmt.Errorf("the registry says it stored %s instead of %s", digest, m.Digest())
	}
	return response.Header, nil
}
