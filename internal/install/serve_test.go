package install

import (
	"context"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

// dnf gets the metadata and the packages that were verified, and nothing else;
// what was refused is remembered, because dnf cannot say why.
func TestServe(t *testing.T) {
	key, dir := rpmtest.NewKey(nil), t.TempDir()
	var all []repo.Fetched
	for name, p := range map[string]rpmtest.Package{"good": {Name: "good", Key: key}, "bad": {Name: "bad"}} {
		data := p.Build()
		path := filepath.Join(dir, "Packages", name+".rpm")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := rpm.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, repo.Fetched{Path: path, Package: &repo.Package{NEVRA: file.NEVRA(), Checksum: cache.SHA256(data), Size: int64(len(data)), Location: filepath.Base(path)}})
	}
	if err := repo.Create(context.Background(), dir, all, nil, repo.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	keyring := new(rpm.Keyring)
	if err := keyring.Add(key.Public()); err != nil {
		t.Fatal(err)
	}
	f := &fetch.Fetcher{Cache: c}
	snapshot, err := repo.Open(context.Background(), f, repo.Repository{Name: "more", BaseURLs: []string{dir}, Keys: keyring})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(context.Background(), f, []*repo.Snapshot{snapshot})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		body, _ := io.ReadAll(w.Body)
		return w.Code, string(body)
	}
	locations := map[string]string{}
	packages, err := snapshot.Packages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		locations[p.Name] = "/more/" + p.Location
	}
	if code, text := get("/more/repodata/repomd.xml"); code != 200 || !strings.Contains(text, "<repomd") {
		t.Errorf("repomd.xml: %d %s", code, text)
	}
	if code, text := get(locations["good"]); code != 200 || !strings.HasPrefix(text, "\xed\xab\xee\xdb") {
		t.Errorf("the good package: %d", code)
	}
	if s.err() != nil {
		t.Error(s.err())
	}
	for _, path := range []string{"/", "/more", "/other/repodata/repomd.xml", "/more/nothing.rpm", "/more/../../etc/passwd", "/more/repodata/../../../../etc/passwd"} {
		if code, text := get(path); code != 404 || strings.Contains(text, "root:") {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, _ := get(locations["bad"]); code != 404 {
		t.Errorf("the unsigned package: %d", code)
	}
	if err := s.err(); err == nil || !strings.Contains(err.Error(), "bad-1.0-1.noarch is not signed") {
		t.Errorf("what was refused is %v", err)
	}
	if served := s.served(); len(served) != 1 || served[0].Package.Name != "good" || served[0].Signer.Fingerprint != key.Fingerprint() {
		t.Errorf("served are %+v", served)
	}
}
