package install

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/repo"
)

// A server gives dnf repositories out of the cache: the metadata as it was
// verified, and each package once it has been fetched and verified.
type server struct {
	fetcher  *fetch.Fetcher
	metadata map[string]*repo.Snapshot // by repository name
	packages map[string]*repo.Package  // by NAME/LOCATION

	mu      sync.Mutex
	fetched map[*repo.Package]repo.Fetched
	failed  []error
}

func newServer(ctx context.Context, f *fetch.Fetcher, snapshots []*repo.Snapshot) (*server, error) {
	s := &server{fetcher: f, metadata: map[string]*repo.Snapshot{}, packages: map[string]*repo.Package{}, fetched: map[*repo.Package]repo.Fetched{}}
	for _, snapshot := range snapshots {
		s.metadata[snapshot.Name] = snapshot
		packages, err := snapshot.Packages(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			s.packages[path.Join(snapshot.Name, p.Location)] = p
		}
	}
	return s, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if p, ok := s.packages[name]; ok {
		s.servePackage(w, r, p)
		return
	}
	repository, location, _ := strings.Cut(name, "/")
	snapshot, ok := s.metadata[repository]
	if !ok {
		http.NotFound(w, r)
		return
	}
	file, err := snapshot.Metadata(r.Context(), location)
	if err != nil {
		s.fail(w, err)
		return
	}
	defer file.Close()
	http.ServeContent(w, r, location, time.Time{}, file)
}

func (s *server) servePackage(w http.ResponseWriter, r *http.Request, p *repo.Package) {
	s.mu.Lock()
	f, ok := s.fetched[p]
	s.mu.Unlock()
	if !ok {
		all, err := repo.Fetch(r.Context(), s.fetcher, []*repo.Package{p})
		if err != nil {
			s.fail(w, err)
			return
		}
		f = all[0]
		s.mu.Lock()
		s.fetched[p] = f
		s.mu.Unlock()
	}
	http.ServeFile(w, r, f.Path)
}

// fail remembers why, because dnf would only say that a download failed.
func (s *server) fail(w http.ResponseWriter, err error) {
	if !errors.Is(err, fetch.ErrNotFound) {
		s.mu.Lock()
		s.failed = append(s.failed, err)
		s.mu.Unlock()
	}
	http.Error(w, "not available", http.StatusNotFound)
}

// err is the first thing that could not be served: it explains what follows.
func (s *server) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failed) == 0 {
		return nil
	}
	return s.failed[0]
}

// served returns the packages that dnf fetched.
func (s *server) served() []repo.Fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []repo.Fetched
	for _, f := range s.fetched {
		all = append(all, f)
	}
	return all
}
