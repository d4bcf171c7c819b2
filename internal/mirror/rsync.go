package mirror

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/pending"
	"golang.org/x/sys/unix"
)

// How often rsync is started when the connection breaks, and where there never was one, which is most often a wrong name or login.
const (
	rsyncTries = 8
	knocks     = 3
)

// remote is a folder that the program rsync reaches: a daemon's module
// ("rsync://host/module/path") or over SSH ("user@host:path").
type remote struct {
	name    string // as the user wrote it
	target  string // as rsync wants it, with a slash at its end
	flags   []string
	scratch *pending.Folder // for lists of files and what is staged
	staged  int
	reached atomic.Bool // the other side has answered
	ahead   *comparison // that was begun before it was asked for; nil if there is none
}

// OpenRsync returns a destination for the program rsync: an rsync:// or ssh:// URL, or HOST:PATH.
func OpenRsync(name string) (Destination, error) {
	if _, err := exec.LookPath("rsync"); err != nil {
		return nil, hint.Wrap(err, "install rsync")
	}
	d := &remote{name: name, target: strings.TrimSuffix(name, "/") + "/", flags: []string{"--timeout=120"}}
	if rest, ok := strings.CutPrefix(name, "ssh://"); ok {
		host, path, ok := strings.Cut(rest, "/")
		if !ok || host == "" {
			return nil, fmt.Errorf("%q names no host and path", name)
		}
		if h, port, ok := strings.Cut(host, ":"); ok {
			if _, err := strconv.ParseUint(port, 10, 16); err != nil {
				return nil, fmt.Errorf("%q is no port", port)
			}
			host = h
			d.flags = append(d.flags, "-e", "ssh -p "+port)
		}
		d.target = host + ":/" + strings.TrimSuffix(path, "/") + "/"
	} else if strings.HasPrefix(name, "rsync://") {
		d.flags = append(d.flags, "--contimeout=30")
	}
	if strings.HasPrefix(d.target, "-") {
		return nil, fmt.Errorf("%q is no destination", name)
	}
	var err error
	d.scratch, err = pending.NewFolder("mirror-sync-")
	return d, err
}

// String leaves a password out that somebody wrote into the URL.
func (d *remote) String() string {
	if rest, ok := strings.CutPrefix(d.name, "rsync://"); ok {
		if _, host, ok := strings.Cut(rest, "@"); ok {
			return "rsync://" + host
		}
	}
	return d.name
}

func (d *remote) Close() error {
	if d.ahead != nil {
		d.ahead.stop()
		<-d.ahead.done
	}
	return d.scratch.Close()
}

// Lock does nothing: there is no lock that rsync could take on the other side.
func (d *remote) Lock() error { return nil }

// run starts rsync, again when the way to the other side broke.
func (d *remote) run(ctx context.Context, args ...string) (out []byte, err error) {
	return d.watched(ctx, io.Discard, args...)
}

// watched is run, and what rsync prints also goes to another writer at once.
func (d *remote) watched(ctx context.Context, also io.Writer, args ...string) (out []byte, err error) {
	for try := 1; ; try++ {
		var tries int
		out, tries, err = d.once(ctx, also, args)
		if err == nil || try >= tries || ctx.Err() != nil {
			return out, err
		}
		select {
		case <-time.After(min(time.Duration(try*try)*100*time.Millisecond, 10*time.Second)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// A failure is how rsync ended.
type failure struct {
	code int
	text string // all that it and ssh wrote
}

// Error gives rsync's own first line, before which ssh may have written more.
func (f *failure) Error() string {
	lines := strings.FieldsFunc(f.text, func(c rune) bool { return c == '\n' || c == '\r' }) // ssh's end with both
	first := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "rsync") || strings.HasPrefix(l, "@ERROR") })
	if len(lines) == 0 {
		return fmt.Sprintf("rsync ended with %d", f.code)
	}
	if f.code == 255 { // ssh's
		first = 0
	}
	return fmt.Sprintf("rsync ended with %d: %s", f.code, strings.TrimSpace(lines[max(first, 0)]))
}

// once starts rsync. tries is how often that may be done where it fails like this.
func (d *remote) once(ctx context.Context, also io.Writer, args []string) (out []byte, tries int, err error) {
	cmd := exec.CommandContext(ctx, "rsync", append(d.flags, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) } // it tidies up on both sides
	cmd.WaitDelay = 10 * time.Second
	// It ends with us even when we are killed, or it would get in the next run's
	// way. The signal comes when the thread that started it ends, so we stay on ours.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, also), &stderr
	err = cmd.Run()
	if err == nil {
		d.reached.Store(true)
		return stdout.Bytes(), 0, nil
	}
	code := cmd.ProcessState.ExitCode()
	text := strings.TrimSpace(stderr.String())
	err = &failure{code, text}
	if strings.Contains(text, "No space left") || strings.Contains(text, "quota exceeded") {
		return nil, 0, hint.Wrap(err, "make room there and run it again: it goes on with what is missing")
	}
	if code == 255 {
		err = hint.Wrap(err, "does ssh to that host work without a question? RSYNC_RSH names another program or its options")
	}
	switch {
	case (code == 10 || code == 255) && !d.reached.Load(): // no connection; 255 is ssh's
		return nil, knocks, err
	case slices.Contains([]int{5, 10, 12, 30, 35, 255}, code): // refused for the moment, or broken off
		return nil, rsyncTries, err
	case strings.Contains(text, "File exists"): // another run made the same folder at the same moment
		return nil, knocks, err
	}
	return nil, 0, err
}

func (d *remote) Read(ctx context.Context, path string) ([]byte, error) {
	dir, err := os.MkdirTemp(d.scratch.Path, "read-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := d.run(ctx, "-s", "--ignore-missing-args", "--", d.target+path, dir+"/"); err != nil {
		for _, gone := range []string{"No such file", "change_dir", "has vanished"} { // not even the folder is there, or not any more
			if f, ok := errors.AsType[*failure](err); ok && strings.Contains(f.text, gone) {
				return nil, fs.ErrNotExist
			}
		}
		return nil, fmt.Errorf("reading %s of %s: %w", path, d, err)
	}
	return os.ReadFile(filepath.Join(dir, filepath.Base(path)))
}

// differing are the paths that rsync would transfer, by what it says of them.
func differing(out []byte) map[string]string {
	found := map[string]string{}
	for line := range strings.SplitSeq(string(out), "\n") {
		what, path, ok := strings.Cut(line, " ")
		if ok && len(what) == 11 && what[1] == 'f' && strings.ContainsAny(what[:1], "<>ch") {
			found[strings.TrimPrefix(path, "./")] = what
		}
	}
	return found
}

func (d *remote) compare(ctx context.Context, files []File, more ...string) (map[string]string, error) {
	dir, list, err := d.stage(files)
	if err != nil {
		return nil, err
	}
	out, err := d.run(ctx, d.transfer(files, dir, list, append(more, "--dry-run")...)...)
	return differing(out), err
}

func (d *remote) Missing(ctx context.Context, files []File, _ *State) ([]File, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var found map[string]string
	var err error
	if dir, ok := base(files); files[0].Rank != data { // pointers are asked for apart from data
		found, err = d.compare(ctx, files, "--checksum")
	} else if ok && len(files) >= largeTree {
		found, err = d.compareFolder(ctx, dir)
	} else {
		found, err = d.compare(ctx, files)
	}
	if err != nil {
		return nil, err
	}
	var missing []File
	for _, f := range files {
		if found[f.Path] != "" {
			missing = append(missing, f)
		}
	}
	return missing, nil
}

func (d *remote) List(ctx context.Context) ([]string, error) {
	sizes, err := d.sizes(ctx)
	var paths []string
	for p := range sizes {
		paths = append(paths, p)
	}
	return paths, err
}

// sizes lists the files that are there, in bytes.
func (d *remote) sizes(ctx context.Context) (map[string]int64, error) {
	out, err := d.run(ctx, "-r", "-s", "-8", "--list-only", "--no-human-readable", "--", d.target)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for scan := bufio.NewScanner(bytes.NewReader(out)); scan.Scan(); {
		mode, rest, _ := strings.Cut(scan.Text(), " ") // -rw-r--r--    123 2026/11/22 01:02:03 name
		fields := strings.SplitN(strings.TrimLeft(rest, " "), " ", 4)
		if !strings.HasPrefix(mode, "-") || len(fields) != 4 {
			continue
		}
		if n, err := strconv.ParseInt(strings.ReplaceAll(fields[0], ",", ""), 10, 64); err == nil {
			sizes[fields[3]] = n
		}
	}
	return sizes, nil
}

// Check has the other side read the files that are here; of those that are not, only the size is compared.
func (d *remote) Check(ctx context.Context, files []File) ([]Problem, error) {
	sizes, err := d.sizes(ctx)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	var here []File
	for _, f := range files {
		n, ok := sizes[f.Path]
		switch {
		case !ok:
			problems = append(problems, problem(f, "missing"))
		case n != f.Size:
			problems = append(problems, problem(f, "damaged"))
		case !f.Kept:
			here = append(here, f)
		}
	}
	if len(here) == 0 {
		return problems, nil
	}
	found, err := d.compare(ctx, here, "--checksum")
	if err != nil {
		return nil, err
	}
	for _, f := range here {
		if found[f.Path] != "" {
			problems = append(problems, problem(f, "damaged"))
		}
	}
	return problems, nil
}
