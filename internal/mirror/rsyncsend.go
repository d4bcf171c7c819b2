package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/report"
)

// stage returns a folder with the files and the flag that lists them. Nothing is copied: equal files are
// links to one, so that they become that at the destination, too.
func (d *remote) stage(files []File) (dir, list string, err error) {
	d.staged++
	list = filepath.Join(d.scratch.Path, fmt.Sprintf("list-%d", d.staged))
	dir, ok := base(files)
	if list, err = selection(list, dir, files); ok || err != nil {
		return dir, list, err
	}
	dir = filepath.Join(d.scratch.Path, fmt.Sprintf("stage-%d", d.staged))
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

// goOn keeps part of a file where a transfer broke off, for the next one. To look for such parts takes time.
const (
	goOn         = "--partial-dir=.rsync-partial"
	worthKeeping = 1 << 20 // bytes of the smallest file of which a part is kept
)

// whole sends a file without looking at the one in its place, which another run may be replacing.
const whole = "--whole-file"

// transfer is what all transfers have in common: owners and modes are the other side's. rsync
// starts sooner if it need not look for hard links, and no link is followed in a tree.
func (d *remote) transfer(files []File, dir, list string, more ...string) []string {
	args := []string{"-rt", "-s", "-8", "--omit-dir-times", "--chmod=D755,F644",
		"--from0", list, "--out-format=%i %n"}
	if _, tree := base(files); !tree {
		args = append(args, "-LH")
	} else if slices.ContainsFunc(files, func(f File) bool { return f.linked }) {
		args = append(args, "-H")
	}
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
	how := whole
	if files[0].Rank == data && slices.ContainsFunc(files, func(f File) bool { return f.Size >= worthKeeping }) {
		how = goOn
	}
	m := &meter{task: task}
	if _, err := d.watched(ctx, m, d.transfer(files, dir, list, how, "--info=progress2", "--no-human-readable")...); err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	var total int64
	contents := map[string]bool{}
	for _, f := range files {
		key := twin(f)
		outcome.count(f, key != "" && contents[key])
		contents[key] = true
		total += f.Size
	}
	m.reached(total) // links and what was there take no time
	return outcome, nil
}

// A meter reads how many bytes rsync has sent: "  1234567  12%    1.20MB/s ...", with a carriage return at its end.
type meter struct {
	task *report.Task
	line []byte
	seen int64
}

func (m *meter) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != '\r' && c != '\n' {
			if len(m.line) < 256 {
				m.line = append(m.line, c)
			}
			continue
		}
		if fields := bytes.Fields(m.line); len(fields) > 1 && bytes.HasSuffix(fields[1], []byte("%")) {
			if n, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
				m.reached(n)
			}
		}
		m.line = m.line[:0]
	}
	return len(p), nil
}

// reached moves the task on; where a transfer began again, it waits until that is further than the one before.
func (m *meter) reached(n int64) {
	if n > m.seen {
		progress(m.task, n-m.seen)
		m.seen = n
	}
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
		if _, err = d.run(ctx, d.transfer(files, dir, list, whole, "--checksum")...); err == nil {
			left, err = d.compare(ctx, files, "--checksum")
		}
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if left[f.Path] != "" {
			return fmt.Errorf("%s: %w", f.Path, errOther)
		}
	}
	return nil
}

// replaced is where the other side keeps the state that the last one replaced.
const replaced = StateFile + ".old"

// Swap looks at the state before it writes, and afterwards at what it replaced: rsync has no way to write a file only if
// nobody else did. What another run wrote in the moment between is put back.
func (d *remote) Swap(ctx context.Context, old []byte, f File) (theirs []byte, err error) {
	now, err := d.Read(ctx, StateFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || !bytes.Equal(now, old) {
		return now, err
	}
	if err := d.write(ctx, f); err != nil || old == nil {
		return nil, err
	}
	was, err := d.Read(ctx, replaced)
	if errors.Is(err, fs.ErrNotExist) { // another run is at work on it, and whose state it is then is seen later
		return nil, nil
	}
	if err != nil || bytes.Equal(was, old) || bytes.Equal(was, f.Data) { // its own, from a transfer that broke
		return nil, err
	}
	return was, d.write(ctx, generated(StateFile, was, f.ModTime, f.Rank))
}

// write sends the state and keeps what was there.
func (d *remote) write(ctx context.Context, f File) error {
	dir, list, err := d.stage([]File{f})
	if err != nil {
		return err
	}
	_, err = d.run(ctx, d.transfer([]File{f}, dir, list, whole, "--ignore-times", "--backup", "--suffix=.old")...)
	return err
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
	empty, err := os.MkdirTemp(d.scratch.Path, "empty-*")
	if err != nil {
		return err
	}
	for _, p := range paths { // the folders are not missing
		if err := os.MkdirAll(filepath.Join(empty, filepath.Dir(filepath.FromSlash(p))), 0o755); err != nil {
			return err
		}
	}
	d.staged++
	list := filepath.Join(d.scratch.Path, fmt.Sprintf("list-%d", d.staged))
	if err := os.WriteFile(list, []byte(strings.Join(paths, "\x00")), 0o600); err != nil {
		return err
	}
	_, err = d.run(ctx, "-r", "-s", "--delete-missing-args", "--from0", "--files-from="+list, "--", empty+"/", d.target)
	return err
}
