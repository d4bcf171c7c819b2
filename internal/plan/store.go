package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/origin"
	"github.com/respin-project/respin/internal/repo"
	"golang.org/x/sync/errgroup"
)

// A store is a repository as it is now, and what planning needs of its
// metadata. That is kept in the cache by the digest of repomd.xml, so that an
// unchanged repository is not parsed again.
type store struct {
	*repo.Snapshot
	key        string
	catalogue  catalogue
	advisories []repo.Advisory
}

// openStores opens the repositories of a kickstart, at the same time.
func (p *Planner) openStores(ctx context.Context, ks *kickstart.Kickstart) ([]*store, error) {
	replace := map[string]string{}
	for _, name := range origin.Names(ks) {
		if url, ok := p.Replace[name]; ok {
			replace[name] = url // the others are those of other kickstarts
		}
	}
	configured, err := origin.Of(ks, replace)
	if err != nil {
		return nil, err
	}
	all := make([]*store, len(configured))
	keys := make([]string, len(configured))
	group, inner := errgroup.WithContext(ctx)
	for i, r := range configured {
		keys[i] = fmt.Sprintf("%q", []any{r.Name, r.BaseURLs, r.Metalink, r.Mirrorlist, r.Excludes, r.Includes, r.Fallbacks, r.Cost})
		if known := p.stores[keys[i]]; known != nil {
			all[i] = known
			continue
		}
		group.Go(func() (err error) {
			all[i], err = p.openStore(inner, r)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, s := range all {
		s.key = keys[i]
		p.stores[keys[i]] = s
	}
	return all, nil
}

// storeVersion is to be counted up when what is kept of a repository changes.
const storeVersion = "1"

func (p *Planner) openStore(ctx context.Context, r repo.Repository) (*store, error) {
	snapshot, err := repo.Open(ctx, p.Fetcher, r)
	if err != nil {
		return nil, err
	}
	s := &store{Snapshot: snapshot}
	key := cache.Key(storeVersion, snapshot.Repomd.String(), fmt.Sprintf("%q %q", r.Excludes, r.Includes))
	path, err := p.Fetcher.Cache.Make(ctx, "catalogue", key, func(path string) error {
		packages, err := snapshot.Outline(ctx)
		if err != nil {
			return err
		}
		return os.WriteFile(path, newCatalogue(packages), 0o644)
	})
	if err != nil {
		return nil, err
	}
	if s.catalogue, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	path, err = p.Fetcher.Cache.Make(ctx, "advisories", cache.Key(storeVersion, snapshot.Repomd.String()), func(path string) error {
		list, err := snapshot.Advisories(ctx)
		if err != nil {
			return err
		}
		text, err := json.Marshal(concise(list))
		if err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o644)
	})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(text, &s.advisories)
}

// concise drops what planning does not need of advisories: nine tenths of their text.
func concise(list []repo.Advisory) []repo.Advisory {
	short := make([]repo.Advisory, len(list))
	for i, a := range list {
		a.Description = ""
		if a.Title != "" {
			a.Summary = ""
		}
		var cves []repo.Reference
		for _, r := range a.References {
			if r.Type == "cve" {
				cves = append(cves, repo.Reference{Type: r.Type, ID: r.ID})
			}
		}
		a.References = cves
		for j := range a.Packages {
			a.Packages[j].FileName = ""
		}
		short[i] = a
	}
	return short
}

// advisories indexes the advisories of some stores.
func (p *Planner) advisories(ctx context.Context, stores []*store) (*advisory.Index, error) {
	var lists [][]repo.Advisory
	for _, s := range stores {
		lists = append(lists, s.advisories)
	}
	return advisory.New(lists...), ctx.Err()
}
