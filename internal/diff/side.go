package diff

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
)

// maxInput bounds what an input may take of memory, bytes.
const maxInput = 128 << 20

// A Side is one of the two things that are compared: what is known of an
// image, from its manifest or its lock.
type Side struct {
	Name     string // of the file, for people
	Image    string // NAME VERSION ARCH
	Packages []manifest.Package

	Lock     *lock.Lock         // nil if it is a manifest
	Manifest *manifest.Manifest // nil if it is a lock
}

// kickstart is the digest of the rendered text; empty if it is not known.
func (s *Side) kickstart() string {
	switch {
	case s.Lock != nil:
		return s.Lock.Kickstart
	case s.Manifest != nil && s.Manifest.Kickstart != nil:
		return s.Manifest.Kickstart.Digest
	}
	return ""
}

// Read reads a side from a file that holds a manifest or a lock, or from the
// manifest.json in a folder. "-" is stdin.
func Read(path string, stdin io.Reader) (*Side, error) {
	if path == "-" {
		return read("standard input", stdin)
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, manifest.FileName)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(path, f)
}

func read(name string, r io.Reader) (*Side, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("it is longer than %d MiB", maxInput>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	s, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	s.Name = name
	return s, nil
}

// Parse reads the text of a manifest or a lock.
func Parse(text []byte) (*Side, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, hint.Wrap(err, "it takes one manifest, as img-build writes it, or a lock")
	}
	if head.Schema == lock.Schema {
		l, err := lock.Parse(text)
		if err != nil {
			return nil, err
		}
		return &Side{Image: l.Image.Name + " " + l.Image.Version + " " + l.Image.Arch, Packages: l.Packages, Lock: l}, nil
	}
	if head.Schema != manifest.Schema {
		return nil, fmt.Errorf("schema is %q, this version reads %q and %q", head.Schema, manifest.Schema, lock.Schema)
	}
	m := new(manifest.Manifest)
	if err := m.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	if m.Build == nil {
		return nil, hint.Wrap(errors.New("the manifest does not say what is installed"), "pass it through img-build first")
	}
	return &Side{Image: m.Image.Name + " " + m.Image.Version + " " + m.Image.Arch, Packages: m.Build.Packages, Manifest: m}, nil
}
