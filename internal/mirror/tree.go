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
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// StateFile is the file at a destination's root that says what was published
// there; it is not part of what mirrors carry.
const StateFile = ".mirror-sync.json"

// workFolder is where a folder destination keeps what is not complete.
const workFolder = ".mirror-sync"

// own reports whether a path is one of those that are not part of what mirrors carry.
func own(p string) bool { return p == StateFile || p == replaced || p == workFolder }

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

	linked bool // the source has other names
}

// The ranks of pointers.
const (
	data = iota
	checksums
	metadata
	streams
	fileList
)

// rank tells pointers from data by their names. It is asked for every file of
// a mirror, so it is no regular expression.
func rank(p string) int {
	base := path.Base(p)
	switch {
	case strings.Contains(base, "CHECKSUM"), strings.HasPrefix(base, "SHA256SUMS"), strings.HasPrefix(base, "SHA512SUMS"), strings.HasPrefix(base, "MD5SUMS"):
		return checksums
	case base == "images.json", base == "composeinfo.json", base == "treeinfo", base == ".treeinfo", strings.HasPrefix(base, "repomd.xml"):
		return metadata
	case base == "releases.json", path.Ext(base) == ".json" && path.Base(path.Dir(p)) == "streams":
		return streams
	case strings.HasPrefix(base, "fullfiletimelist"), strings.HasPrefix(base, "fullfilelist"):
		return fileList
	}
	return data
}

// Folder returns the files of a finished tree, sorted.
func Folder(ctx context.Context, dir string) ([]File, error) {
	root, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(workers)
	w := walker{ctx: ctx, work: work}
	work.Go(func() error { return w.folder(root, dir, "") })
	err = work.Wait()
	slices.SortFunc(w.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return w.files, err
}

// A walker reads folders, several at a time.
type walker struct {
	ctx  context.Context
	work *errgroup.Group

	mu    sync.Mutex
	files []File
}

// folder takes in the files of an open folder, which it closes, and of those in it. prefix is that
// of their paths in the tree.
func (w *walker) folder(open *os.File, dir, prefix string) error {
	defer open.Close()
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := open.ReadDir(-1)
	if err != nil {
		return err
	}
	var files []File
	for _, e := range entries {
		p, source := prefix+e.Name(), dir+"/"+e.Name()
		if own(p) {
			continue
		}
		if e.IsDir() {
			if err := w.below(source, p+"/"); err != nil {
				return err
			}
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(int(open.Fd()), e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &fs.PathError{Op: "stat", Path: source, Err: err}
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			files = append(files, File{Path: p, Source: source, Size: st.Size, ModTime: time.Unix(st.Mtim.Sec, 0), Rank: rank(p), linked: st.Nlink > 1})
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files = append(w.files, files...)
	return nil
}

// below reads a folder, beside this one if somebody is free.
func (w *walker) below(dir, prefix string) error {
	read := func() error {
		open, err := os.Open(dir)
		if err != nil {
			return err
		}
		return w.folder(open, dir, prefix)
	}
	if w.work.TryGo(read) {
		return nil
	}
	return read()
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

// buffers are for reading: a mirror has many small files.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// digest is the SHA-256 of all that r has, hex.
func digest(r io.Reader) (string, int64, error) {
	h := sha256.New()
	buffer := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buffer)
	n, err := io.CopyBuffer(h, struct{ io.Reader }{r}, buffer[:]) // or it would bring a buffer of its own
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// generated is a file that is made here.
func generated(p string, text []byte, at time.Time, rank int) File {
	sum := sha256.Sum256(text)
	return File{Path: p, Data: text, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), ModTime: at, Rank: rank}
}
