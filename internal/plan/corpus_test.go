package plan

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
)

func openCorpus(t testing.TB, dir string) *store {
	t.Helper()
	corpus := os.Getenv("RESPIN_CORPUS")
	if corpus == "" {
		t.Skip("SKIP: RESPIN_CORPUS does not name the corpus")
	}
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := &Planner{Fetcher: &fetch.Fetcher{Cache: c}}
	s, err := p.openStore(context.Background(), repo.Repository{Name: "appstream", BaseURLs: []string{filepath.Join(corpus, "repodata/osbuild-testrepos/appstream")}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is installed as the newest of a full-size repository has not changed;
// what is older, gone or another file has. Parsed and kept say the same.
func TestCorpus(t *testing.T) {
	dir := t.TempDir()
	s := openCorpus(t, dir)
	ctx := context.Background()
	packages, err := s.Packages(ctx)
	if err != nil || len(packages) != 17649 {
		t.Fatalf("%d packages, %v", len(packages), err)
	}
	outline, err := s.Outline(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(newCatalogue(packages), newCatalogue(outline)) {
		t.Error("the outline's catalogue is another one")
	}
	var installed []manifest.Package
	for _, p := range packages {
		if p.Arch == "x86_64" && !modular(p.Release) {
			installed = append(installed, manifest.Package{Name: p.Name, Epoch: p.Epoch, Version: p.Version, Release: p.Release, Arch: p.Arch, Checksum: p.Checksum.String()})
		}
	}
	for _, s := range []*store{s, openCorpus(t, dir)} {
		o, err := (*Planner)(nil).offers(ctx, []*store{s}, installed)
		if err != nil {
			t.Fatal(err)
		}
		same := 0
		for _, p := range installed {
			now := o.best[place{p.Name, p.Arch}]
			c, changed := o.compare(p, "x86_64")
			switch {
			case now.EVR.Compare(evr(p)) < 0:
				t.Errorf("%s is newer than the newest, %s", p.NEVRA(), now.NEVRA)
			case !changed:
				same++
			case c.New != "" && c.New == c.Old && c.Arch == p.Arch:
				t.Errorf("%s changed to itself: %+v", p.NEVRA(), c)
			}
			p.Epoch = -1
			if c, changed := o.compare(p, "x86_64"); !changed {
				t.Errorf("an older %s is the same: %+v", p.Name, c)
			}
		}
		if same < 2000 {
			t.Errorf("only %d of %d packages are the same", same, len(installed))
		}
	}
}

func BenchmarkStore(b *testing.B) {
	for _, name := range []string{"cold", "warm"} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			openCorpus(b, dir)
			for b.Loop() {
				if name == "cold" {
					dir = b.TempDir()
				}
				openCorpus(b, dir)
			}
		})
	}
}
