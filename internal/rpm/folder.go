package rpm

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// makeFolders makes the folders that are needed. What they are to be like in
// the end is set when they are full: one may not be writable then.
func (p *plan) makeFolders() error {
	for _, real := range slices.Sorted(maps.Keys(p.folders)) {
		rel := relative(real)
		err := p.root.Mkdir(rel, 0o700)
		if errors.Is(err, fs.ErrExist) || rel == "." {
			var st fs.FileInfo
			if st, err = p.root.Lstat(rel); err == nil && !st.IsDir() {
				err = &fs.PathError{Op: "mkdir", Path: real, Err: unix.ENOTDIR}
			} else if err == nil && st.Mode().Perm()&0o700 != 0o700 {
				p.narrow[real] = st.Mode()
				err = p.root.Chmod(rel, st.Mode()|0o700)
			}
		} else if err == nil {
			p.narrow[real] = fs.ModeDir | 0o755 // what nobody owns
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finishFolders gives the folders their modes, owners and times, the innermost first.
func (p *plan) finishFolders() error {
	w := &worker{plan: p, folders: map[string]*os.File{}}
	defer w.forget()
	for _, real := range slices.Backward(slices.Sorted(maps.Keys(p.folders))) {
		if c, ok := p.claims[real]; ok {
			if err := w.finishFolder(real, p.file(c)); err != nil {
				return err
			}
		} else if mode, ok := p.narrow[real]; ok {
			if err := p.root.Chmod(relative(real), mode); err != nil {
				return err
			}
		}
	}
	return nil
}

// finishFolder gives a folder that is full its owner, mode and time.
func (w *worker) finishFolder(real string, f *File) error {
	dir, err := w.folder(real)
	if err != nil {
		return err
	}
	if o := w.plan.options.Owner; o != nil {
		uid, gid := o(f.User, f.Group)
		if err := unix.Fchown(dir, uid, gid); err != nil {
			return fmt.Errorf("giving %s to %s:%s: %w", real, f.User, f.Group, err)
		}
	}
	if err := unix.Fchmod(dir, w.mode(f)); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", real, err)
	}
	if real == "/" { // its time is the caller's, as its name is
		return nil
	}
	return w.setTime(real, f)
}
