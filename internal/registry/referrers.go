package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// settle is how long others may be in the middle of writing the list of referrers.
const settle = 100 * time.Millisecond

// Attach stores a manifest that names its subject, and makes sure that it is
// found from there: by the registry's list of referrers, or where that does
// not exist (GitHub's has none) by the index that the tag ALGORITHM-HEX of the subject names.
func (r *Repository) Attach(ctx context.Context, m Manifest) error {
	var parsed v1.Manifest
	if err := json.Unmarshal(m.Data, &parsed); err != nil || parsed.Subject == nil {
		return fmt.Errorf("the manifest %s has no subject", m.Digest())
	}
	if err := r.PutManifest(ctx, m, ""); err != nil {
		return err
	}
	d := m.Descriptor()
	d.ArtifactType, d.Annotations = parsed.ArtifactType, parsed.Annotations
	for range maxRounds {
		list, ok, err := r.referrers(ctx, parsed.Subject.Digest)
		if err != nil {
			return fmt.Errorf("reading the referrers of %s: %w", parsed.Subject.Digest, err)
		}
		if !ok {
			return r.attachByTag(ctx, parsed.Subject.Digest, d)
		}
		if slices.ContainsFunc(list.Manifests, func(o v1.Descriptor) bool { return o.Digest == d.Digest }) {
			return nil
		}
		if err := sleep(ctx, settle); err != nil {
			return err
		}
	}
	return fmt.Errorf("the registry does not list %s among the referrers of %s", d.Digest, parsed.Subject.Digest)
}

// referrers asks the registry; ok is false if it keeps no such lists.
func (r *Repository) referrers(ctx context.Context, subject v1.Hash) (list *v1.IndexManifest, ok bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url("referrers/"+subject.String()).String(), nil)
	if err != nil {
		return nil, false, err
	}
	request.Header.Set("Accept", string(types.OCIImageIndex))
	response, err := r.do(request, http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest)
	if err != nil {
		return nil, false, err
	}
	defer response.Body.Close()
	// What is no index comes from a registry that takes this for another page.
	if response.StatusCode != http.StatusOK || types.MediaType(response.Header.Get("Content-Type")) != types.OCIImageIndex {
		return nil, false, nil
	}
	list, err = v1.ParseIndexManifest(io.LimitReader(response.Body, maxManifest))
	return list, true, err
}

// attachByTag adds d to the index of the tag that stands for the list. Where
// others do the same at that moment, it looks again until it is in.
func (r *Repository) attachByTag(ctx context.Context, subject v1.Hash, d v1.Descriptor) error {
	tag := subject.Algorithm + "-" + subject.Hex
	written := false
	for range maxRounds {
		have, ok, err := r.Manifest(ctx, tag)
		if err != nil {
			return err
		}
		list := &v1.IndexManifest{}
		if ok {
			if list, err = v1.ParseIndexManifest(bytes.NewReader(have.Data)); err != nil {
				return fmt.Errorf("reading the referrers %s: %w", r.at(tag), err)
			}
		}
		if slices.ContainsFunc(list.Manifests, func(o v1.Descriptor) bool { return o.Digest == d.Digest }) {
			return nil
		}
		if written { // somebody overwrote it: not again in step with them
			if err := sleep(ctx, rand.N(settle)); err != nil {
				return err
			}
		}
		all := append(list.Manifests, d)
		slices.SortFunc(all, func(a, b v1.Descriptor) int { return bytes.Compare([]byte(a.Digest.Hex), []byte(b.Digest.Hex)) })
		m, err := index(all, nil)
		if err != nil {
			return err
		}
		if _, err := r.put(ctx, m, tag); err != nil {
			return fmt.Errorf("writing %s: %w", r.at(tag), err)
		}
		written = true
		if err := sleep(ctx, settle); err != nil {
			return err
		}
	}
	return fmt.Errorf("the referrers %s do not come to rest: others keep changing them", r.at(tag))
}
