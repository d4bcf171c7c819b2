package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sys/unix"
)

// twin is what tells the files of one content: the digest, or the file that they are names of.
func twin(f File) string {
	if f.SHA256 != "" {
		return f.SHA256
	}
	var st unix.Stat_t
	if f.Source == "" || unix.Stat(f.Source, &st) != nil || st.Nlink < 2 {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

func (d *localFolder) Send(ctx context.Context, files []File, _ *State, have map[string]string, task *report.Task) (Outcome, error) {
	if err := d.root.MkdirAll(workFolder, 0o700); err != nil {
		return Outcome{}, err
	}
	first := map[string]string{} // paths by their twins
	var alone, twins []File
	for _, f := range files {
		key := twin(f)
		if key != "" && first[key] != "" {
			twins = append(twins, f)
			continue
		}
		if key != "" {
			first[key] = f.Path
		}
		alone = append(alone, f)
	}
	var mu sync.Mutex
	var outcome Outcome
	err := each(ctx, alone, func(ctx context.Context, _ int, f File) error {
		linked, err := d.put(f, have[f.SHA256])
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		outcome.count(f, linked)
		progress(task, f.Size)
		return nil
	})
	if err != nil {
		return outcome, advise(err)
	}
	for _, f := range twins {
		linked, err := d.put(f, first[twin(f)])
		if err != nil {
			return outcome, advise(err)
		}
		outcome.count(f, linked)
		progress(task, f.Size)
	}
	return outcome, unix.Syncfs(int(d.lock.Fd()))
}

// Swap writes the state: nobody else could, as the folder is locked.
func (d *localFolder) Swap(ctx context.Context, _ []byte, f File) ([]byte, error) {
	_, err := d.Send(ctx, []File{f}, nil, nil, nil)
	return nil, err
}

func progress(task *report.Task, n int64) {
	if task != nil {
		task.Add(n)
	}
}

func (o *Outcome) count(f File, linked bool) {
	if linked {
		o.Linked++
		return
	}
	o.Sent++
	o.Bytes += f.Size
}

func advise(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return hint.Wrap(err, "make room and run it again: it goes on with what is missing")
	}
	return err
}

// put brings one file to its name, as a link to an equal one if that can be done.
func (d *localFolder) put(f File, twin string) (linked bool, err error) {
	name := filepath.FromSlash(f.Path)
	if err := d.folder(path.Dir(f.Path)); err != nil {
		return false, err
	}
	temporary := filepath.Join(workFolder, fmt.Sprint(d.next.Add(1)))
	defer func() {
		if err != nil {
			d.root.Remove(temporary)
		}
	}()
	if twin != "" && twin != f.Path && d.link(f, twin, temporary) {
		linked = true
	} else if err := d.copy(f, temporary); err != nil {
		return false, fmt.Errorf("%s: %w", f.Path, err)
	}
	return linked, d.root.Rename(temporary, name)
}

// folder makes a folder that files go to.
func (d *localFolder) folder(dir string) error {
	if _, ok := d.made.Load(dir); ok {
		return nil
	}
	if err := d.root.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
		return err
	}
	d.made.Store(dir, true)
	return nil
}

// link makes a second name of an equal file, unless that is not what it should be.
func (d *localFolder) link(f File, twin, temporary string) bool {
	st, err := d.root.Lstat(filepath.FromSlash(twin))
	if err != nil || !st.Mode().IsRegular() || st.Size() != f.Size || st.ModTime().Unix() != f.ModTime.Unix() {
		return false
	}
	if f.SHA256 != "" {
		of := f
		of.Path = twin
		dir, err := d.parent(of)
		if err != nil || dir == nil {
			return false
		}
		defer dir.Close()
		if same, err := same(dir, of); err != nil || !same {
			return false
		}
	}
	return d.root.Link(filepath.FromSlash(twin), temporary) == nil
}

// copy writes a file and reads it back.
func (d *localFolder) copy(f File, temporary string) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := d.root.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	err = verifiedCopy(out, in, f)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return d.root.Chtimes(temporary, f.ModTime, f.ModTime)
}

func verifiedCopy(out io.ReadWriteSeeker, in io.Reader, f File) error {
	want, _, err := digest(io.TeeReader(in, out))
	if err != nil {
		return err
	}
	if f.SHA256 != "" && want != f.SHA256 {
		return changed(want, f.SHA256)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if got, _, err := digest(out); err != nil || got != want {
		return errors.Join(errors.New("what was written is not what is read back"), err)
	}
	return nil
}

func changed(got, want string) error {
	return hint.Wrap(fmt.Errorf("its SHA-256 is %s instead of %s", got, want), "the file was changed after it was made: convert and test it again")
}
