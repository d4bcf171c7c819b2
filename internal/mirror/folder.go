package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/respin-project/respin/internal/hint"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// workers is how many files are in work at a time: most are small.
const workers = 8

// localFolder is a folder of this machine, or one that is mounted.
type localFolder struct {
	dir  string
	root *os.Root // nil if the folder does not exist yet
	lock *os.File
	next atomic.Int64 // numbers temporary files

	made sync.Map // folders that are there
}

// OpenFolder returns a folder as a destination. It is made when it is first locked.
func OpenFolder(dir string) (Destination, error) {
	d := &localFolder{dir: dir}
	root, err := os.OpenRoot(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	d.root = root
	return d, nil
}

func (d *localFolder) String() string { return d.dir }

func (d *localFolder) Close() error {
	var errs []error
	if d.lock != nil {
		errs = append(errs, d.root.RemoveAll(workFolder), d.lock.Close())
	}
	if d.root != nil {
		errs = append(errs, d.root.Close())
	}
	return errors.Join(errs...)
}

// Lock also removes what a run left that was killed.
func (d *localFolder) Lock() (err error) {
	if d.root == nil {
		if err := os.MkdirAll(d.dir, 0o755); err != nil {
			return err
		}
		if d.root, err = os.OpenRoot(d.dir); err != nil {
			return err
		}
	}
	lock, err := d.root.Open(".")
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return hint.Wrap(fmt.Errorf("locking %s: %w", d.dir, err), "another mirror-sync is at work there: wait for it")
	}
	d.lock = lock
	if err := d.root.RemoveAll(workFolder); err != nil {
		return err
	}
	return nil
}

func (d *localFolder) Read(_ context.Context, path string) ([]byte, error) {
	if d.root == nil {
		return nil, fs.ErrNotExist
	}
	return d.root.ReadFile(filepath.FromSlash(path))
}

// each calls do for every file, several at a time.
func each(ctx context.Context, files []File, do func(ctx context.Context, n int, f File) error) error {
	work, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(workers, len(files)) {
		work.Go(func() error {
			for {
				n := int(next.Add(1) - 1)
				if n >= len(files) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := do(ctx, n, files[n]); err != nil {
					return err
				}
			}
		})
	}
	return work.Wait()
}

func (d *localFolder) Missing(ctx context.Context, files []File, _ *State) ([]File, error) {
	if d.root == nil {
		return files, nil
	}
	absent := make([]bool, len(files))
	err := each(ctx, files, func(_ context.Context, n int, f File) (err error) {
		absent[n], err = d.absent(f)
		return err
	})
	var missing []File
	for n, f := range files {
		if absent[n] {
			missing = append(missing, f)
		}
	}
	return missing, err
}

func (d *localFolder) absent(f File) (bool, error) {
	st, err := d.root.Lstat(filepath.FromSlash(f.Path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	if !st.Mode().IsRegular() || st.Size() != f.Size || st.ModTime().Unix() != f.ModTime.Unix() {
		return true, nil
	}
	if f.Rank == data {
		return false, nil
	}
	same, err := d.same(f)
	return !same, err
}

// same reports whether a file has the content that it should.
func (d *localFolder) same(f File) (bool, error) {
	there, err := d.root.Open(filepath.FromSlash(f.Path))
	if err != nil {
		return false, err
	}
	defer there.Close()
	if f.SHA256 != "" {
		got, _, err := digest(there)
		return got == f.SHA256, err
	}
	here, err := f.Open()
	if err != nil {
		return false, err
	}
	defer here.Close()
	return equal(here, there)
}

// equal compares what two readers have.
func equal(a, b io.Reader) (bool, error) {
	var x, y [64 << 10]byte
	for {
		n, errA := io.ReadFull(a, x[:])
		m, errB := io.ReadFull(b, y[:])
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return false, err
			}
		}
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil { // both end here, as n and m are equal
			return true, nil
		}
	}
}

func (d *localFolder) Delete(_ context.Context, paths []string) error {
	for _, p := range paths {
		if err := d.root.Remove(filepath.FromSlash(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if d.root.Remove(filepath.FromSlash(dir)) != nil { // not empty
				break
			}
		}
	}
	return nil
}

func (d *localFolder) List(ctx context.Context) ([]string, error) {
	files, err := Folder(ctx, d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths, err
}

func (d *localFolder) Check(ctx context.Context, files []File) ([]Problem, error) {
	var mu sync.Mutex
	var problems []Problem
	err := each(ctx, files, func(_ context.Context, _ int, f File) error {
		what := ""
		if d.root == nil {
			what = "missing"
		} else if same, err := d.same(f); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			what = "missing"
		} else if err != nil {
			return err
		} else if !same {
			what = "damaged"
		}
		if what != "" {
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, problem(f, what))
		}
		return nil
	})
	return problems, err
}
