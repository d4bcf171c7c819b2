package manifest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/pending"
)

// maxDocument bounds what one document may take of memory, in bytes.
const maxDocument = 128 << 20

// FileName is the name of the manifest in an image's folder.
const FileName = "manifest.json"

// A Reader reads a stream of manifests.
type Reader struct {
	name   string
	folder string // of a manifest that does not say
	in     *limited
	dec    *json.Decoder
	count  int
}

// NewReader reads manifests from r; errors call the stream name. Where r is an
// image's manifest.json, as in "img-smoke < out/IMAGE/manifest.json", the image's
// folder is the file's.
func NewReader(r io.Reader, name string) *Reader {
	return newReader(r, name, home(r))
}

func newReader(r io.Reader, name, folder string) *Reader {
	in := &limited{r: r}
	return &Reader{name: name, folder: folder, in: in, dec: json.NewDecoder(in)}
}

// home is the folder of a manifest.json that is being read, relative to the
// working folder if it is below; empty for the working folder itself and all else.
func home(r io.Reader) string {
	f, ok := r.(*os.File)
	if !ok {
		return ""
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil || filepath.Base(path) != FileName {
		return ""
	}
	dir := filepath.Dir(path)
	cwd, err := os.Getwd()
	if err != nil || cwd == dir {
		return ""
	}
	if below, err := filepath.Rel(cwd, dir); err == nil && filepath.IsLocal(below) {
		return below
	}
	return dir
}

// Read returns the next manifest, or io.EOF after the last. After any other
// error the stream cannot be read on.
func (r *Reader) Read() (*Manifest, error) {
	r.in.left = maxDocument
	r.count++
	var raw json.RawMessage
	if err := r.dec.Decode(&raw); err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		err = fmt.Errorf("reading manifest %d of %s: %w", r.count, r.name, err)
		if _, ok := errors.AsType[*json.SyntaxError](err); ok {
			err = hint.Wrap(err, "it takes manifests, which ks-render writes")
		}
		return nil, err
	}
	m := new(Manifest)
	if err := m.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("reading manifest %d of %s: %w", r.count, r.name, err)
	}
	if m.Folder == "" {
		m.Folder = r.folder
	}
	return m, nil
}

// limited fails when a document is longer than any honest one.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("is longer than %d MiB", maxDocument>>20)
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// Open reads an image's manifest.json, or the one in the folder that path names.
func Open(path string) (*Manifest, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, FileName)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := newReader(f, path, filepath.Dir(path))
	m, err := r.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("reading %s: it is empty", path)
	} else if err != nil {
		return nil, err
	}
	if _, err := r.Read(); err != io.EOF {
		return nil, fmt.Errorf("reading %s: it holds more than one manifest", path)
	}
	return m, nil
}

// Save writes the manifest to manifest.json in its folder, whole or not at all.
func (m *Manifest) Save() error {
	inside := *m
	inside.Folder = ""
	text, err := inside.line()
	if err != nil {
		return fmt.Errorf("writing the manifest of %s: %w", m.Image.ID(), err)
	}
	return pending.WriteFile(m.Path(FileName), text, 0o644)
}

// Write appends the manifest to a stream.
func (m *Manifest) Write(w io.Writer) error {
	text, err := m.line()
	if err != nil {
		return fmt.Errorf("writing the manifest of %s: %w", m.Image.ID(), err)
	}
	_, err = w.Write(text)
	return err
}

func (m *Manifest) line() ([]byte, error) {
	text, err := m.MarshalJSON()
	return append(text, '\n'), err
}

// Each calls do for every manifest of a stream and writes the manifest to w
// when do succeeded. One that fails does not come out; Each goes on with the
// next and returns all errors joined, each naming its image.
func Each(ctx context.Context, r *Reader, w io.Writer, do func(context.Context, *Manifest) error) error {
	return Concurrently(ctx, 1, r, w, do)
}

// Concurrently is Each with up to n manifests in work at the same time. They
// are written as they are done; the errors are in the order of the stream.
func Concurrently(ctx context.Context, n int, r *Reader, w io.Writer, do func(context.Context, *Manifest) error) error {
	var (
		work  sync.WaitGroup
		mu    sync.Mutex // guards w and errs
		errs  [][]error  // by manifest
		slots = make(chan struct{}, n)
	)
	set := func(i int, e []error) {
		mu.Lock()
		defer mu.Unlock()
		errs[i] = e
	}
	for i := 0; ctx.Err() == nil; i++ {
		slots <- struct{}{}
		m, err := r.Read()
		if err == io.EOF {
			break
		}
		mu.Lock()
		errs = append(errs, nil)
		mu.Unlock()
		if err != nil {
			set(i, []error{err})
			break
		}
		work.Go(func() {
			defer func() { <-slots }()
			err := do(ctx, m)
			if err == nil {
				mu.Lock()
				err = m.Write(w)
				mu.Unlock()
			}
			if err != nil {
				set(i, name(m, err))
			}
		})
	}
	work.Wait()
	all := slices.Concat(errs...)
	if err := ctx.Err(); err != nil {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// name puts the image's name in front of err, or of each error it joins.
func name(m *Manifest, err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{fmt.Errorf("%s: %w", m.Image.ID(), err)}
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		errs = append(errs, name(m, err)...)
	}
	return errs
}

// Equal reports whether two manifests are written the same.
func Equal(a, b *Manifest) bool {
	x, errX := a.MarshalJSON()
	y, errY := b.MarshalJSON()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
