package mirror

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/manifest"
)

// A State is what was published at a destination. All pointers follow from it.
type State struct {
	Version  int       `json:"version"`       // 1
	URL      string    `json:"url,omitempty"` // where the tree can be read
	Images   []Image   `json:"images,omitempty"`
	Removals []Removal `json:"removals,omitempty"` // of what no pointer names any more
	// Signed are the CHECKSUM files with a signature, by their paths, for who has no key.
	Signed map[string]Signed `json:"signed,omitempty"`
	// Objects are what a bucket has, by their paths: it tells neither times nor digests.
	Objects map[string]Object `json:"objects,omitempty"`
}

// An Image is one that is published.
type Image struct {
	Image        manifest.Image         `json:"image"`
	Files        []Published            `json:"files"`
	Publications []manifest.Publication `json:"publications,omitempty"` // elsewhere: AMIs and registries
}

// Published is a file of an image.
type Published struct {
	Path               string `json:"path"`
	Format             string `json:"format"`
	Size               int64  `json:"size"`
	SHA256             string `json:"sha256"`
	UncompressedSHA256 string `json:"uncompressed_sha256,omitempty"`
	ModTime            int64  `json:"mtime"` // seconds
}

// A Removal is a file that goes when its time has come.
type Removal struct {
	Path  string `json:"path"`
	Since int64  `json:"since"` // when the last pointer to it went, seconds
}

// Signed is a file with a signature.
type Signed struct {
	Text   string `json:"text"` // SHA-256 of what is signed
	Size   int64  `json:"size"` // of the file
	SHA256 string `json:"sha256"`
}

// AllSigned reports whether every CHECKSUM file has a signature.
func (s *State) AllSigned() bool {
	folders, _ := group(s.Images, func(i Image) string { return folder(i.Image) })
	return len(s.Signed) == len(folders)
}

// An Object is what a bucket was given.
type Object struct {
	Size    int64  `json:"size"`
	ModTime int64  `json:"mtime"` // of the file it was made of, seconds
	SHA256  string `json:"sha256"`
	ETag    string `json:"etag"`
}

// parseState reads a state; no bytes are that of a new destination.
func parseState(text []byte) (*State, error) {
	s := &State{Version: 1}
	if len(text) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("reading %s of the destination: %w", StateFile, err)
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("%s of the destination has version %d, this program knows 1", StateFile, s.Version)
	}
	for _, i := range s.Images {
		for _, f := range i.Files {
			if !local(f.Path) {
				return nil, fmt.Errorf("%s of the destination: %q is no path in it", StateFile, f.Path)
			}
		}
	}
	for _, r := range s.Removals {
		if !local(r.Path) || own(r.Path) {
			return nil, fmt.Errorf("%s of the destination: %q is no path in it", StateFile, r.Path)
		}
	}
	return s, nil
}

func (s *State) text() []byte {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		panic(err) // it holds nothing that cannot be written
	}
	return append(text, '\n')
}

// publish puts images in the place of older ones of the same name, version and
// architecture. What only those had goes, from now on.
func (s *State) publish(images []Image, now time.Time) {
	for _, i := range images {
		key := func(o Image) [3]string { return [3]string{o.Image.Name, o.Image.Version, o.Image.Arch} }
		at := slices.IndexFunc(s.Images, func(o Image) bool { return key(o) == key(i) })
		if at < 0 {
			s.Images = append(s.Images, i)
			continue
		}
		for n := range i.Files { // the same bytes keep their time
			for _, old := range s.Images[at].Files {
				if old.Path == i.Files[n].Path && old.SHA256 == i.Files[n].SHA256 {
					i.Files[n].ModTime = old.ModTime
				}
			}
		}
		old := s.Images[at].Files
		s.Images[at] = i
		for _, f := range old {
			s.remove(f.Path, now)
		}
	}
	slices.SortFunc(s.Images, func(a, b Image) int { return strings.Compare(a.Image.ID(), b.Image.ID()) })
	wanted := map[string]bool{}
	for _, i := range s.Images {
		for _, f := range i.Files {
			wanted[f.Path] = true
		}
	}
	s.keep(wanted)
}

// remove notes that a file goes, unless that is known.
func (s *State) remove(path string, now time.Time) {
	if !slices.ContainsFunc(s.Removals, func(r Removal) bool { return r.Path == path }) {
		s.Removals = append(s.Removals, Removal{path, now.Unix()})
	}
}

// keep takes back that files go.
func (s *State) keep(wanted map[string]bool) {
	s.Removals = slices.DeleteFunc(s.Removals, func(r Removal) bool { return wanted[r.Path] })
	slices.SortFunc(s.Removals, func(a, b Removal) int { return strings.Compare(a.Path, b.Path) })
}

// due are the files whose grace period is over.
func (s *State) due(now time.Time, grace time.Duration) []string {
	var paths []string
	for _, r := range s.Removals {
		if !time.Unix(r.Since, 0).Add(grace).After(now) {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// gone forgets files that were deleted.
func (s *State) gone(paths []string) {
	for _, p := range paths {
		s.Removals = slices.DeleteFunc(s.Removals, func(r Removal) bool { return r.Path == p })
		delete(s.Objects, p)
	}
}
