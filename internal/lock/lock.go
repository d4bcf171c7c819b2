// Package lock reads and writes locks: what a build used, written down so that
// it can be used again. The same lock gives the same image.
package lock

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/pending"
	"github.com/respin-project/respin/internal/repo"
)

// Schema names the format and its version.
const Schema = "respin/lock/v1"

// A Lock is what one image was built from.
type Lock struct {
	Schema       string                `json:"schema"`
	Image        Image                 `json:"image"`
	SourceDate   int64                 `json:"source_date"`         // SOURCE_DATE_EPOCH, seconds
	Kickstart    string                `json:"kickstart,omitempty"` // digest of the rendered text, "sha256:" and hex; locks of old have none
	Updated      bool                  `json:"updated,omitempty"`   // img-plan updated it and nobody built it since: it may list packages that nothing needs any more
	Repositories []manifest.Repository `json:"repositories"`
	Comps        []Comps               `json:"comps,omitempty"`
	Buildroot    []manifest.Package    `json:"buildroot"` // what the tools came from, sorted
	Packages     []manifest.Package    `json:"packages"`  // what was installed, also if a script removed it again; sorted

	// Kept are packages that the repositories had otherwise when the lock was
	// updated, and that stay all the same: gone, obsoleted by others, or only older.
	Kept []manifest.PackageChange `json:"kept,omitempty"`
}

// Comps is what a repository said of the groups and environments that the image asks for.
type Comps struct {
	Repository string `json:"repository"`
	repo.Comps
}

// Image says which image a lock is for.
type Image struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
}

// maxSize bounds what a lock may take of memory, bytes.
const maxSize = 64 << 20

// Read reads the lock in a file.
func Read(path string) (*Lock, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the lock: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the lock %s: %w", path, err)
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("reading the lock %s: it is longer than %d MiB", path, maxSize>>20)
	}
	l, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the lock %s: %w", path, err)
	}
	return l, nil
}

// Parse reads a lock's text.
func Parse(text []byte) (*Lock, error) {
	l := new(Lock)
	if err := json.Unmarshal(text, l); err != nil {
		return nil, err
	}
	if l.Schema != Schema {
		return nil, fmt.Errorf("schema is %q, this version reads %q", l.Schema, Schema)
	}
	for _, list := range []struct {
		name     string
		packages []manifest.Package
	}{{"buildroot", l.Buildroot}, {"packages", l.Packages}} {
		for i, p := range list.packages {
			if _, err := cache.ParseDigest(p.Checksum); err != nil {
				return nil, fmt.Errorf("%s[%d] (%s): checksum: %w", list.name, i, p.NEVRA(), err)
			}
		}
	}
	return l, nil
}

// Text is the lock as a file holds it: a line for each package, so that a
// difference between two locks reads as what changed.
func (l *Lock) Text() ([]byte, error) {
	l.Schema = Schema
	for _, packages := range [][]manifest.Package{l.Buildroot, l.Packages} {
		slices.SortFunc(packages, func(a, b manifest.Package) int {
			return cmp.Or(cmp.Compare(a.NEVRA(), b.NEVRA()), cmp.Compare(a.Checksum, b.Checksum))
		})
	}
	var b bytes.Buffer
	b.WriteString("{\n")
	for _, member := range []struct {
		name  string
		value any
		none  bool // leave it out
	}{
		{"schema", l.Schema, false}, {"image", l.Image, false}, {"source_date", l.SourceDate, false}, {"kickstart", l.Kickstart, l.Kickstart == ""},
		{"updated", l.Updated, !l.Updated},
		{"repositories", l.Repositories, false}, {"comps", l.Comps, false}, {"buildroot", l.Buildroot, false}, {"packages", l.Packages, false},
		{"kept", l.Kept, len(l.Kept) == 0},
	} {
		if member.none {
			continue
		}
		if member.name != "schema" {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%q: ", member.name)
		if err := writeMember(&b, member.value); err != nil {
			return nil, err
		}
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

func writeMember(b *bytes.Buffer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var elements []json.RawMessage
	if json.Unmarshal(text, &elements) != nil || len(elements) == 0 {
		b.Write(text)
		return nil
	}
	b.WriteString("[")
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n  ")
		b.Write(e)
	}
	b.WriteString("\n]")
	return nil
}

// Keeps reports whether the lock keeps a package in spite of this very change.
func (l *Lock) Keeps(c manifest.PackageChange) bool {
	return slices.ContainsFunc(l.Kept, func(k manifest.PackageChange) bool {
		return k.Name == c.Name && k.Arch == c.Arch && k.Old == c.Old && k.New == c.New
	})
}

// Only returns the lock with those of its packages that some function takes, as one that was built.
func (l *Lock) Only(takes func(manifest.Package) bool) *Lock {
	only := *l
	only.Updated, only.Packages = false, nil
	left := map[string]bool{}
	for _, p := range l.Packages {
		if takes(p) {
			only.Packages = append(only.Packages, p)
			left[p.Name] = true
		}
	}
	only.Kept = slices.DeleteFunc(slices.Clone(l.Kept), func(k manifest.PackageChange) bool { return !left[k.Name] })
	return &only
}

// Write writes the lock to a file, whole or not at all.
func (l *Lock) Write(path string) error {
	text, err := l.Text()
	if err != nil {
		return err
	}
	return pending.WriteFile(path, text, 0o644)
}

// Digest is the digest of the lock's text, as manifests have it.
func (l *Lock) Digest() (string, error) {
	text, err := l.Text()
	if err != nil {
		return "", err
	}
	return cache.SHA256(text).String(), nil
}
