// Package build is the direct engine: it makes a raw disk from a rendered
// kickstart with the tools of the distribution that is being installed, in
// namespaces, without a virtual machine, a container engine or the host's rpm.
//
// A build goes through stages, each in a file of its own: what is to be built
// (plan.go), from which repositories (repository.go), the installed packages
// (packages.go), the configured tree (configure.go), the disk (finish.go), and
// what is written down about it (record.go).
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/respin-project/respin/internal/buildroot"
	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/install"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
	"golang.org/x/sys/unix"
)

// An Engine builds images. Its process must be inside a sandbox.Enter.
type Engine struct {
	Fetcher    *fetch.Fetcher
	Report     *report.Report
	Output     string            // the folder that gets a folder for each image
	Replace    map[string]string // base URLs in place of those of the kickstart's repositories, by name
	Keys       [][]byte          // OpenPGP keys that are trusted besides the spec's, and alone for repositories of Replace
	Insecure   bool              // check no signatures
	Locks      []*lock.Lock      // build exactly the one of these that is for the image; none builds the newest
	Koji       *string           // URL of an archive laid out as Koji's, for packages that no repository has any more; empty: none; nil: the spec's, or Fedora's
	DiskSize   int64             // bytes; 0 leaves it to the kickstart
	SourceDate int64             // SOURCE_DATE_EPOCH; 0 takes it from the lock or the repositories
	Scripts    manifest.Scripts  // limits that take the place of the spec's, where not zero
}

// A job is one image on its way.
type job struct {
	*Engine
	m      *manifest.Manifest
	ks     *kickstart.Kickstart
	lock   *lock.Lock // that is built; nil builds the newest
	folder string     // becomes the image's folder when everything is done
	log    io.Writer

	scripts   manifest.Scripts
	snapshots []*repo.Snapshot
	origins   map[string]*repo.Snapshot // of a locked build: the kickstart's own repositories, by name
	date      int64
	seed      disk.Seed
	plan      *disk.Plan
	request   install.Request
	buildroot *buildroot.Buildroot
	workspace *sandbox.Workspace
	room      int64    // how much the workspace holds when no script runs, bytes
	tree      string   // in the workspace
	temp      string   // in the workspace: /tmp of the scripts that do not run in the tree
	installed []record // what the transaction installed

	distribution string // os-release's ID
}

// Build builds the image of a manifest and adds the sections build and
// artifacts, and the image's folder. The folder appears when it is complete, in
// place of one that was there; after an error only a log is left.
func (e *Engine) Build(ctx context.Context, m *manifest.Manifest) (err error) {
	if m.Kickstart == nil {
		return hint.Wrap(errors.New("the manifest has no kickstart"), "pass it through ks-render first")
	}
	j := &job{Engine: e, m: m}
	if e.Insecure {
		e.Report.Warn(report.Place{}, "%s: signatures are NOT checked: whoever can change a mirror or the network can put anything into this image", m.Image.ID())
	}
	defer e.Report.Group("Building " + m.Image.ID())()
	if err := os.MkdirAll(e.Output, 0o755); err != nil {
		return err
	}
	release, err := j.openFolder()
	if err != nil {
		return err
	}
	defer release()
	log, err := j.openLog()
	if err != nil {
		return err
	}
	defer func() {
		log.Close()
		if err != nil {
			err = j.keepLog(ctx, err)
		}
	}()
	if err := j.run(ctx); err != nil {
		return err
	}
	return j.publish()
}

// run goes through the stages.
func (j *job) run(ctx context.Context) error {
	begin := time.Now()
	if err := errors.Join(j.read(), j.openWorkspace()); err != nil {
		return err
	}
	for _, stage := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"reading the repositories", j.openRepositories},
		{"running %pre", j.pre},
		{"planning", j.prepare},
		{"the buildroot", j.makeBuildroot},
		{"installing", j.install},
		{"configuring", j.configure},
		{"making the disk", j.makeDisk},
		{"recording", j.record},
	} {
		fmt.Fprintf(j.log, "== %s (%s)\n", stage.name, report.Seconds(time.Since(begin)))
		if err := stage.do(ctx); err != nil {
			return j.onError(ctx, j.adviseRoom(err))
		}
	}
	return nil
}

// openFolder makes the folder that will become the image's, and removes what
// builds that were killed have left behind.
func (j *job) openFolder() (release func(), err error) {
	stale, err := filepath.Glob(filepath.Join(j.Output, ".respin-*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range stale {
		if unlock, err := lockFolder(dir); err == nil {
			os.RemoveAll(dir)
			unlock()
		}
	}
	if j.folder, err = os.MkdirTemp(j.Output, ".respin-"); err != nil {
		return nil, err
	}
	if err := os.Chmod(j.folder, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockFolder(j.folder)
	if err != nil {
		return nil, err
	}
	return func() {
		if j.workspace != nil {
			j.workspace.Close()
		}
		os.RemoveAll(j.folder)
		unlock()
	}, nil
}

// lockFolder takes a lock that lives as long as its process.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

const logName = "logs/build.log"

func (j *job) openLog() (io.Closer, error) {
	path := filepath.Join(j.folder, logName)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	j.log = &boundedLog{w: f, left: maxLog}
	return f, nil
}

// maxLog bounds the build log, bytes: a script may write without end.
const maxLog = 256 << 20

type boundedLog struct {
	w    io.Writer
	left int
}

func (b *boundedLog) Write(p []byte) (int, error) {
	if b.left > 0 {
		n := min(len(p), b.left)
		b.left -= n
		if _, err := b.w.Write(p[:n]); err != nil {
			return 0, err
		}
		if b.left == 0 {
			io.WriteString(b.w, "\n== the log ends here: it is too long\n")
		}
	}
	return len(p), nil
}

// keepLog leaves the log of a failed build beside where the image would be, if
// programs had a chance to write to it.
func (j *job) keepLog(ctx context.Context, err error) error {
	kept := filepath.Join(j.Output, j.m.Image.ID()+".failed.log")
	os.Remove(kept) // an earlier build's
	if ctx.Err() != nil || j.buildroot == nil || os.Rename(filepath.Join(j.folder, logName), kept) != nil {
		return err
	}
	return adviseLast(err, "the whole log is in "+kept)
}

// adviseLast gives err, or the last of the errors that it joins, a hint.
func adviseLast(err error, advice string) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return hint.Wrap(err, "%s", advice)
	}
	errs := slices.Clone(joined.Unwrap())
	last := len(errs) - 1
	errs[last] = adviseLast(errs[last], advice)
	return errors.Join(errs...)
}

// publish gives the folder its name.
func (j *job) publish() error {
	final := filepath.Join(j.Output, j.m.Image.ID())
	os.Remove(final + ".failed.log")
	err := os.Rename(j.folder, final)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		// The old one goes away with our folder's name.
		err = unix.Renameat2(unix.AT_FDCWD, j.folder, unix.AT_FDCWD, final, unix.RENAME_EXCHANGE)
	}
	if err != nil {
		return fmt.Errorf("putting the image into place: %w", err)
	}
	return nil
}
