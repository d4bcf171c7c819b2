package mirror

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/report"
)

// base is the folder that all files lie in as they should at the destination; ok is false if there is none.
func base(files []File) (dir string, ok bool) {
	for n, f := range files {
		d, ok := strings.CutSuffix(f.Source, "/"+filepath.FromSlash(f.Path))
		if !ok || n > 0 && d != dir {
			return "", false
		}
		dir = d
	}
	return dir, len(files) > 0
}

// stage returns a folder with the files and the list of them. Nothing is copied: equal files are
// links to one, so that they become that at the destination, too.
func (d *remote) stage(files []File) (dir, list string, err error) {
	d.staged++
	list = filepath.Join(d.scratch, fmt.Sprintf("list-%d", d.staged))
	var b bytes.Buffer
	for _, f := range files {
		b.WriteString(f.Path + "\x00")
	}
	if err := os.WriteFile(list, b.Bytes(), 0o600); err != nil {
		return "", "", err
	}
	if dir, ok := base(files); ok {
		return dir, list, nil
	}
	dir = filepath.Join(d.scratch, fmt.Sprintf("stage-%d", d.staged))
	first := map[string]string{} // sources by digest
	for _, f := range files {
		to := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", "", err
		}
		if err := place(f, to, first); err != nil {
			return "", "", err
		}
	}
	return dir, list, nil
}

func place(f File, to string, first map[string]string) error {
	if f.Source == "" {
		if err := os.WriteFile(to, f.Data, 0o644); err != nil {
			return err
		}
		return os.Chtimes(to, f.ModTime, f.ModTime)
	}
	source, err := filepath.Abs(f.Source)
	if err != nil {
		return err
	}
	if other := first[f.SHA256]; other != "" && f.SHA256 != "" && os.Link(other, to) == nil {
		return nil
	}
	if os.Link(source, to) == nil {
		first[f.SHA256] = to
		return nil
	}
	return os.Symlink(source, to) // on another file system: equal files are then sent as two
}

// transfer is what all transfers have in common: owners and modes are the other side's.
func (d *remote) transfer(dir, list string, more ...string) []string {
	args := []string{"-rtLH", "-s", "-8", "--omit-dir-times", "--chmod=D755,F644", "--partial-dir=.rsync-partial",
		"--from0", "--files-from=" + list, "--out-format=%i %n"}
	return append(append(args, more...), "--", dir+"/", d.target)
}

func (d *remote) Send(ctx context.Context, files []File, _ *State, _ map[string]string, task *report.Task) (Outcome, error) {
	for _, f := range files {
		if f.SHA256 != "" && f.Source != "" {
			if err := verify(f); err != nil {
				return Outcome{}, err
			}
		}
	}
	dir, list, err := d.stage(files)
	if err != nil {
		return Outcome{}, err
	}
	if _, err := d.run(ctx, d.transfer(dir, list)...); err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	contents := map[string]bool{}
	for _, f := range files {
		key := twin(f)
		outcome.count(f, key != "" && contents[key])
		contents[key] = true
		progress(task, f.Size)
	}
	return outcome, nil
}

// Verify has the other side read what was sent. What has the right size and
// time and yet other bytes was not; the second time it is.
func (d *remote) Verify(ctx context.Context, files []File) error {
	left, err := d.compare(ctx, files, "--checksum")
	if err == nil && len(left) > 0 {
		var dir, list string
		if dir, list, err = d.stage(files); err != nil {
			return err
		}
		if _, err = d.run(ctx, d.transfer(dir, list, "--checksum")...); err == nil {
			left, err = d.compare(ctx, files, "--checksum")
		}
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if left[f.Path] != "" {
			return fmt.Errorf("%s is not there as it was sent", f.Path)
		}
	}
	return nil
}

func verify(f File) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	got, _, err := digest(in)
	if err == nil && got != f.SHA256 {
		err = changed(got, f.SHA256)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return nil
}

func (d *remote) Delete(ctx context.Context, paths []string) error {
	empty, err := os.MkdirTemp(d.scratch, "empty-*")
	if err != nil {
		return err
	}
	for _, p := range paths { // the folders are not missing
		if err := os.MkdirAll(filepath.Join(empty, filepath.Dir(filepath.FromSlash(p))), 0o755); err != nil {
			return err
		}
	}
	d.staged++
	list := filepath.Join(d.scratch, fmt.Sprintf("list-%d", d.staged))
	if err := os.WriteFile(list, []byte(strings.Join(paths, "\x00")), 0o600); err != nil {
		return err
	}
	_, err = d.run(ctx, "-r", "-s", "--delete-missing-args", "--from0", "--files-from="+list, "--", empty+"/", d.target)
	return err
}
