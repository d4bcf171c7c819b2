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

// each calls do for every file or other item, several at a time.
func each[T any](ctx context.Context, items []T, do func(ctx context.Context, n int, item T) error) error {
	work, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(workers, len(items)) {
		work.Go(func() error {
			for {
				n := int(next.Add(1) - 1)
				if n >= len(items) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := do(ctx, n, items[n]); err != nil {
					return err
				}
			}
		})
	}
	return work.Wait()
}

// Missing asks folder by folder: finding every file from the root on takes
// several times as long.
func (d *localFolder) Missing(ctx context.Context, files []File, _ *State) ([]File, error) {
	if d.root == nil {
		return files, nil
	}
	absent := make([]bool, len(files))
	err := each(ctx, byFolder(files), func(_ context.Context, _ int, group []int) error {
		return d.absent(files, group, absent)
	})
	var missing []File
	for n, f := range files {
		if absent[n] {
			missing = append(missing, f)
		}
	}
	return missing, err
}

// byFolder are the places of the files that are in the same folder.
func byFolder(files []File) [][]int {
	var groups [][]int
	at := map[string]int{}
	for n, f := range files {
		dir := path.Dir(f.Path)
		if _, ok := at[dir]; !ok {
			at[dir] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[dir]] = append(groups[at[dir]], n)
	}
	return groups
}

// parent opens the folder that a file should be in; nil if there is none.
func (d *localFolder) parent(f File) (*os.File, error) {
	dir, err := d.root.Open(filepath.FromSlash(path.Dir(f.Path)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return dir, err
}

// absent finds which files of one folder are not there.
func (d *localFolder) absent(files []File, group []int, absent []bool) error {
	dir, err := d.parent(files[group[0]])
	if err != nil {
		return err
	}
	defer dir.Close() // nil is no harm
	for _, n := range group {
		f := files[n]
		var st unix.Stat_t
		if dir == nil || unix.Fstatat(int(dir.Fd()), path.Base(f.Path), &st, unix.AT_SYMLINK_NOFOLLOW) != nil ||
			st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != f.Size || st.Mtim.Sec != f.ModTime.Unix() {
			absent[n] = true
			continue
		}
		if f.Rank != data {
			same, err := same(dir, f)
			if err != nil {
				return err
			}
			absent[n] = !same
		}
	}
	return nil
}

// same reports whether a file in a folder has the content that it should.
func same(dir *os.File, f File) (bool, error) {
	fd, err := unix.Openat(int(dir.Fd()), path.Base(f.Path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &fs.PathError{Op: "open", Path: f.Path, Err: err}
	}
	there := os.NewFile(uintptr(fd), f.Path)
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
	first, second := buffers.Get().(*[64 << 10]byte), buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(first)
	defer buffers.Put(second)
	x, y := first[:], second[:]
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
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
	found := make([]string, len(files))
	err := each(ctx, byFolder(files), func(ctx context.Context, _ int, group []int) error {
		var dir *os.File
		if d.root != nil {
			var err error
			if dir, err = d.parent(files[group[0]]); err != nil {
				return err
			}
			defer dir.Close()
		}
		for _, n := range group {
			if err := ctx.Err(); err != nil {
				return err
			}
			if dir == nil {
				found[n] = "missing"
			} else if same, err := same(dir, files[n]); errors.Is(err, fs.ErrNotExist) {
				found[n] = "missing"
			} else if err != nil && !errors.Is(err, syscall.EISDIR) && !errors.Is(err, syscall.ELOOP) {
				return err
			} else if !same {
				found[n] = "damaged"
			}
		}
		return nil
	})
	var problems []Problem
	for n, what := range found {
		if what != "" {
			problems = append(problems, problem(files[n], what))
		}
	}
	return problems, err
}
