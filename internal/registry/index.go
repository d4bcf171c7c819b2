package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// entryAnnotation marks the index behind the tag of one entry.
const entryAnnotation = "io.github.respin-project.entry"

// others are the keys under which another machine may have pushed an entry.
var others = []string{"386", "amd64", "arm64", "ppc64le", "riscv64", "s390x"}

// otherMachines are those of podman machine, which are only looked for among their like.
var otherMachines = []string{
	"aarch64-applehv", "aarch64-hyperv", "aarch64-qemu", "aarch64-wsl",
	"x86_64-applehv", "x86_64-hyperv", "x86_64-qemu", "x86_64-wsl",
}

// Key tells the entries of an index apart: the architecture, with the system unless
// that is Linux, and with the variant and podman machine's disk type if there
// are such. What has no platform is told by its digest.
func Key(d v1.Descriptor) string {
	if d.Platform == nil || d.Platform.Architecture == "" || d.Platform.Architecture == "unknown" {
		return d.Digest.Hex
	}
	parts := []string{d.Platform.Architecture}
	if os := d.Platform.OS; os != "" && os != "linux" {
		parts = []string{os, d.Platform.Architecture}
	}
	for _, more := range []string{d.Platform.Variant, d.Annotations["disktype"]} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	return strings.Join(parts, "-")
}

func likely(d v1.Descriptor) []string {
	if d.Annotations["disktype"] != "" {
		return otherMachines
	}
	return others
}

// maxRounds bounds how often an index is merged while others add to it as well.
const maxRounds = 30

// AddEntries adds entries to the index that a tag names, replacing those of the same
// Key. The manifests must be in the repository.
//
// A registry has no way to change a tag only if nobody else did. So the truth
// is not the index: each entry has a tag of its own, TAG-KEY, which only
// pushes of that platform write. Whoever pushes writes its entries' tags,
// makes the index of all of them, and looks again until both agree. Whose
// index comes last has looked at the entries' tags after it wrote, so that it is complete.
func (r *Repository) AddEntries(ctx context.Context, tag string, entries []v1.Descriptor) (Manifest, error) {
	keys := map[string]bool{}
	for _, e := range entries {
		key := Key(e)
		keys[key] = true
		for _, other := range likely(e) {
			keys[other] = true
		}
		one, err := index([]v1.Descriptor{e}, map[string]string{entryAnnotation: key})
		if err != nil {
			return Manifest{}, err
		}
		if err := r.PutManifest(ctx, one, tag+"-"+key); err != nil {
			return Manifest{}, err
		}
	}
	for range maxRounds {
		found, err := r.entries(ctx, tag, keys)
		if err != nil {
			return Manifest{}, err
		}
		have, _, err := r.Manifest(ctx, tag)
		if err != nil {
			return Manifest{}, err
		}
		want, err := merge(have, found)
		if err != nil {
			return Manifest{}, fmt.Errorf("reading the index %s: %w", r.at(tag), err)
		}
		if bytes.Equal(want.Data, have.Data) {
			return want, nil
		}
		if _, err := r.put(ctx, want, tag); err != nil {
			return Manifest{}, fmt.Errorf("writing %s: %w", r.at(tag), err)
		}
	}
	return Manifest{}, fmt.Errorf("the index %s does not come to rest: others keep changing it", r.at(tag))
}

// entries reads the entries that have a tag of their own.
func (r *Repository) entries(ctx context.Context, tag string, keys map[string]bool) (map[string]v1.Descriptor, error) {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(8)
	list := make([]string, 0, len(keys))
	for key := range keys {
		list = append(list, key)
	}
	found := make([]*v1.Descriptor, len(list))
	for i, key := range list {
		work.Go(func() (err error) {
			found[i], err = r.entry(ctx, tag, key)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	entries := map[string]v1.Descriptor{}
	for i, d := range found {
		if d != nil {
			entries[list[i]] = *d
		}
	}
	return entries, nil
}

// entry reads the entry behind the tag of a key, nil if there is none of ours.
func (r *Repository) entry(ctx context.Context, tag, key string) (*v1.Descriptor, error) {
	m, ok, err := r.Manifest(ctx, tag+"-"+key)
	if err != nil || !ok {
		return nil, err
	}
	list, err := v1.ParseIndexManifest(bytes.NewReader(m.Data))
	if err != nil || list.Annotations[entryAnnotation] != key || len(list.Manifests) != 1 || Key(list.Manifests[0]) != key {
		return nil, nil // somebody else's tag
	}
	return &list.Manifests[0], nil
}

// merge returns the index of entries, by their keys, and of those in old that have other keys.
func merge(old Manifest, entries map[string]v1.Descriptor) (Manifest, error) {
	all := map[string]v1.Descriptor{}
	if old.MediaType == types.OCIImageIndex || old.MediaType == types.DockerManifestList {
		list, err := v1.ParseIndexManifest(bytes.NewReader(old.Data))
		if err != nil {
			return Manifest{}, err
		}
		for _, d := range list.Manifests {
			all[Key(d)] = d
		}
	}
	for key, d := range entries {
		all[key] = d
	}
	sorted := make([]v1.Descriptor, 0, len(all))
	for _, d := range all {
		sorted = append(sorted, d)
	}
	slices.SortFunc(sorted, func(a, b v1.Descriptor) int { return strings.Compare(Key(a), Key(b)) })
	return index(sorted, nil)
}

func index(entries []v1.Descriptor, annotations map[string]string) (Manifest, error) {
	if len(entries) == 0 {
		return Manifest{}, errors.New("an index without entries is of no use")
	}
	data, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: entries, Annotations: annotations})
	return Manifest{data, types.OCIImageIndex}, err
}
