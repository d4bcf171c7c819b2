package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/origin"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/rpm"
	"golang.org/x/sync/errgroup"
)

// openRepositories reads the metadata of every repository of the kickstart.
func (j *job) openRepositories(ctx context.Context) error {
	if err := j.chooseLock(); err != nil {
		return err
	}
	configured, err := j.repositories(ctx)
	if err != nil {
		return err
	}
	if j.lock != nil {
		if err := j.openLocked(ctx, configured); err != nil {
			return err
		}
		j.decideDate()
		return nil
	}
	task := j.Report.Task("reading repositories", int64(len(configured)), report.Items)
	defer task.Drop()
	j.snapshots = make([]*repo.Snapshot, len(configured))
	group, ctx := errgroup.WithContext(ctx)
	for i, r := range configured {
		group.Go(func() error {
			s, err := repo.Open(ctx, j.Fetcher, r)
			if err != nil {
				return err
			}
			if _, err := s.Packages(ctx); err != nil {
				return err
			}
			j.snapshots[i] = s
			task.Add(1)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	task.Done()
	j.decideDate()
	return nil
}

// repositories are those that the url and repo commands name, with what
// --repo puts in their place and the archive that has what they no longer have.
func (j *job) repositories(ctx context.Context) ([]repo.Repository, error) {
	named, err := origin.Of(j.ks, j.Replace)
	if err != nil {
		return nil, err
	}
	koji := j.Koji
	if koji == nil && j.m.Spec != nil {
		koji = j.m.Spec.Koji
	}
	for i := range named {
		if koji != nil {
			named[i].Fallbacks = slices.DeleteFunc([]string{*koji}, func(url string) bool { return url == "" })
		}
		if named[i].Keys, err = j.keys(ctx, named[i].Name); err != nil {
			return nil, err
		}
	}
	return named, nil
}

// keys returns the keys that a repository's packages must be signed with: the
// spec's and those given with --key; the latter alone where --repo put another
// repository in its place.
func (j *job) keys(ctx context.Context, repository string) (*rpm.Keyring, error) {
	if j.Insecure {
		return nil, nil
	}
	keyring := new(rpm.Keyring)
	for _, data := range j.Keys {
		if err := keyring.Add(data); err != nil {
			return nil, fmt.Errorf("reading a key: %w", err)
		}
	}
	_, replaced := j.Replace[repository]
	if j.m.Spec != nil && !(replaced && len(j.Keys) > 0) {
		for _, k := range j.m.Spec.Keys {
			if len(k.Repositories) > 0 && !slices.Contains(k.Repositories, repository) {
				continue
			}
			data, err := j.readKey(ctx, k)
			if err == nil {
				err = keyring.Add(data, k.Fingerprint)
			}
			if err != nil {
				return nil, fmt.Errorf("reading the key %s: %w", k.URL, err)
			}
		}
	}
	if len(keyring.Keys()) == 0 {
		return nil, hint.Wrap(fmt.Errorf("repository %q: there is no key to verify its packages with", repository),
			"name it under keys in image.yaml, or give it with --key FILE")
	}
	return keyring, nil
}

// maxKey bounds a key file, bytes.
const maxKey = 1 << 20

// readKey reads a key from its URL, or from its file.
func (j *job) readKey(ctx context.Context, k manifest.Key) ([]byte, error) {
	if strings.Contains(k.URL, "://") {
		d, err := j.Fetcher.Document(ctx, []string{k.URL}, maxKey, func(data []byte) error {
			return new(rpm.Keyring).Add(data, k.Fingerprint)
		})
		if err != nil {
			return nil, err
		}
		return d.Data, nil
	}
	f, err := os.Open(k.URL)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if len(data) > maxKey {
		err = errors.New("it is too long for a key")
	}
	return data, err
}
