// Package mirror publishes images as a tree of files that mirrors carry, and
// brings destinations to that state: a folder, a server with rsync or SSH, an
// S3 bucket.
//
// Everywhere the same order holds: data first, then the pointers to it (CHECKSUM files,
// images.json, stream files, the file list), deletions last and after a grace
// period. Whoever reads the tree at any moment finds all that it points to.
package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// StateFile is the file at a destination's root that says what was published
// there; it is not part of what mirrors carry.
const StateFile = ".mirror-sync.json"

// workFolder is where a folder destination keeps what is not complete.
const workFolder = ".mirror-sync"

// A File is one that a destination should have.
type File struct {
	Path    string // below the destination's root, with slashes
	Source  string // where it is read; empty: Data, or with Kept what is there already
	Data    []byte
	Kept    bool // published by another run: it is not sent, only checked
	Size    int64
	SHA256  string // hex; empty while nobody has read it
	ModTime time.Time
	Rank    int // 0 for data; pointers are published in the order of their ranks
}

// The ranks of pointers.
const (
	data = iota
	checksums
	metadata
	streams
	fileList
	ranks
)

var pointers = map[int]*regexp.Regexp{
	checksums: regexp.MustCompile(`(^|/)[^/]*CHECKSUM[^/]*$|(^|/)(SHA256SUMS|SHA512SUMS|MD5SUMS)(\.[a-z]+)?$`),
	metadata:  regexp.MustCompile(`(^|/)(images\.json|composeinfo\.json|\.?treeinfo|repomd\.xml[^/]*)$`),
	streams:   regexp.MustCompile(`(^|/)(streams/[^/]+\.json|releases\.json)$`),
	fileList:  regexp.MustCompile(`(^|/)full(file)(time)?list[^/]*$`),
}

// rank tells pointers from data by their names.
func rank(path string) int {
	for r := checksums; r < ranks; r++ {
		if pointers[r].MatchString(path) {
			return r
		}
	}
	return data
}

// Folder returns the files of a finished tree, sorted.
func Folder(ctx context.Context, dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel == workFolder {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || rel == StateFile {
			return nil
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		p := filepath.ToSlash(rel)
		files = append(files, File{Path: p, Source: name, Size: st.Size(), ModTime: st.ModTime().Truncate(time.Second), Rank: rank(p)})
		return nil
	})
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}

// local reports whether a path stays below the root that it belongs to.
func local(p string) bool {
	return filepath.IsLocal(filepath.FromSlash(p)) && path.Clean(p) == p && !strings.ContainsAny(p, "\x00\n\r")
}

// Open returns the file's content.
func (f File) Open() (io.ReadSeekCloser, error) {
	if f.Source == "" {
		return nopCloser{strings.NewReader(string(f.Data))}, nil
	}
	return os.Open(f.Source)
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// digest is the SHA-256 of all that r has, hex.
func digest(r io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// generated is a file that is made here.
func generated(p string, text []byte, at time.Time, rank int) File {
	sum := sha256.Sum256(text)
	return File{Path: p, Data: text, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), ModTime: at, Rank: rank}
}
