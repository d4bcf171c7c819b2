package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/rpm"
	"golang.org/x/sync/errgroup"
)

// mainRepository is what the repository of the url command is called.
const mainRepository = "url"

// openRepositories reads the metadata of every repository of the kickstart.
func (j *job) openRepositories(ctx context.Context) error {
	configured, err := j.repositories(ctx)
	if err != nil {
		return err
	}
	if j.Lock != nil {
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
// --repo puts in their place.
func (j *job) repositories(ctx context.Context) ([]repo.Repository, error) {
	named := unify(j.named())
	replaced := map[string]bool{}
	for i := range named {
		r := &named[i]
		if url, ok := j.Replace[r.Name]; ok {
			r.BaseURLs, r.Mirrorlist, r.Metalink, r.Fallbacks = []string{url}, "", "", nil
			replaced[r.Name] = true
		}
		if len(r.BaseURLs) == 0 && r.Mirrorlist == "" && r.Metalink == "" {
			return nil, hint.Wrap(fmt.Errorf("repository %q has no URL", r.Name), "give it --baseurl, --metalink or --mirrorlist in the kickstart, or say --repo %s=URL", r.Name)
		}
		var err error
		if r.Keys, err = j.keys(ctx, r.Name); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.Replace)) {
		if !replaced[name] {
			return nil, hint.Wrap(fmt.Errorf("--repo %s: the kickstart has no such repository", name), "it has %s", names(named))
		}
	}
	if len(named) == 0 {
		return nil, fmt.Errorf("%s: no repository is named: add a url or repo command", j.ks.Path)
	}
	return named, nil
}

// named are the repositories as the kickstart has them.
func (j *job) named() []repo.Repository {
	var all []repo.Repository
	commands := j.ks.All("repo")
	if c := j.ks.Last("url"); c != nil {
		commands = append([]*kickstart.Command{c}, commands...)
	}
	for _, c := range commands {
		r := repo.Repository{
			Name: mainRepository, Mirrorlist: c.Value("--mirrorlist"), Metalink: c.Value("--metalink"),
			Excludes: c.List("--excludepkgs"), Includes: c.List("--includepkgs"), Cost: c.Int("--cost"),
		}
		if c.Name == "repo" {
			r.Name = c.Value("--name")
		}
		for _, option := range []string{"--baseurl", "--url"} {
			if url := c.Value(option); url != "" {
				r.BaseURLs = []string{url}
			}
		}
		if strings.Contains(r.Metalink+r.Mirrorlist, "//mirrors.fedoraproject.org/") {
			r.Fallbacks = []string{repo.FedoraArchive}
		}
		all = append(all, r)
	}
	return all
}

// unify drops repositories that are the same as one before: Fedora's
// kickstarts name their main repository as url and as repo.
func unify(all []repo.Repository) []repo.Repository {
	var kept []repo.Repository
	for _, r := range all {
		same := slices.IndexFunc(kept, func(k repo.Repository) bool {
			return slices.Equal(k.BaseURLs, r.BaseURLs) && k.Mirrorlist == r.Mirrorlist && k.Metalink == r.Metalink &&
				slices.Equal(k.Excludes, r.Excludes) && slices.Equal(k.Includes, r.Includes)
		})
		if same < 0 {
			kept = append(kept, r)
		} else if kept[same].Name == mainRepository {
			kept[same].Name = r.Name
		}
	}
	return kept
}

func names(all []repo.Repository) string {
	var list []string
	for _, r := range all {
		list = append(list, r.Name)
	}
	return strings.Join(list, ", ")
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
