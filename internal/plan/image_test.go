package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
)

// A plan tells which repositories are not what the lock was made from.
func TestRepositories(t *testing.T) {
	one, two := cache.SHA256([]byte("1")), cache.SHA256([]byte("2"))
	open := func(name string, repomd cache.Digest) *store {
		return &store{Snapshot: &repo.Snapshot{Repository: repo.Repository{Name: name}, Repomd: repomd}}
	}
	i := &image{
		lock: &lock.Lock{Repositories: []manifest.Repository{
			{Name: "same", Repomd: one.String()}, {Name: "changed", Repomd: one.String()}, {Name: "removed", Repomd: one.String()},
		}},
		stores: []*store{open("same", one), open("changed", two), open("added", one)},
	}
	want := []manifest.RepositoryChange{{Name: "added", New: one.String()}, {Name: "changed", Old: one.String(), New: two.String()}, {Name: "removed", Old: one.String()}}
	if diff := cmp.Diff(want, i.repositories()); diff != "" {
		t.Error(diff)
	}
}
