package rpm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sync/errgroup"
)

// Extract unpacks packages, whose files are at their Path, into the folder root.
//
// Nothing outside root is touched, whatever the packages or symbolic links in
// root say: links are followed as if root were "/". The packages' headers are
// the authority for names, owners, modes and targets, their payloads for
// content, which must have the header's digests; a payload that does not agree
// is an error. Files that exist are replaced, folders and links to folders
// stay. Ghost files are not created, device nodes never. No script runs.
// Folders that no package owns belong to the caller, with mode 0755 and the time of unpacking.
//
// The result depends neither on the order of packages nor on timing: what
// belongs where is decided first, from the headers alone. If two packages hold
// different files under the same path, the error is a *ConflictError and
// nothing was touched; of two ELF files that of the larger word size wins, as
// in rpm. After another error root holds some of the files, and perhaps a part
// of one: a tree counts when Extract has succeeded. Only one Extract may work
// on a root at a time.
//
// Packages must have been verified before: Extract trusts what their headers
// ask for inside of root.
func Extract(ctx context.Context, root string, packages []*Package, o Options) error {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	packages = slices.Clone(packages)
	slices.SortStableFunc(packages, func(a, b *Package) int {
		return cmp.Or(a.NEVRA().Compare(b.NEVRA()), strings.Compare(a.Path, b.Path))
	})
	p, err := newPlan(dir, packages, o)
	if err != nil {
		return err
	}
	if err := p.makeFolders(); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	if err := p.unpackAll(ctx); err != nil {
		return err
	}
	if err := p.finishFolders(); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	return nil
}

// Options says how Extract sets what only root can set, and what it leaves out.
type Options struct {
	// Owner returns the uid and gid of an owner's names. nil leaves everything
	// to the caller, with set-uid and set-gid bits dropped, as for a
	// buildroot that an ordinary user unpacks. See RootOwner and LookupOwner.
	Owner func(user, group string) (uid, gid int)

	Capabilities bool           // set file capabilities, which needs privileges
	SkipDevices  bool           // leave device nodes out; without it they are an error
	SkipDocs     bool           // leave out what is marked as documentation
	Parallel     int            // packages at a time, 0: as many as there are processors
	Report       *report.Report // progress in bytes of the packages; nil is silent
}

// RootOwner gives everything to uid 0 and gid 0.
func RootOwner(user, group string) (uid, gid int) { return 0, 0 }

// LookupOwner returns a function that looks names up in passwd and group files
// with the given contents; unknown names are uid or gid 0, as rpm has it.
func LookupOwner(passwd, group []byte) func(user, group string) (uid, gid int) {
	uids, gids := ids(passwd), ids(group)
	return func(user, group string) (uid, gid int) { return uids[user], gids[group] }
}

// ids reads the first and third fields of the lines of passwd(5) or group(5).
func ids(text []byte) map[string]int {
	all := map[string]int{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 {
			continue
		}
		if id, err := strconv.ParseUint(fields[2], 10, 31); err == nil {
			all[fields[0]] = int(id)
		}
	}
	return all
}

// A ConflictError says that two packages hold different things under one path.
type ConflictError struct {
	Path string
	A, B NEVRA // sorted
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("file %s of %s conflicts with that of %s", e.Path, e.A, e.B)
}

// unpackAll unpacks the packages' payloads, the largest first.
func (p *plan) unpackAll(ctx context.Context) error {
	order, sizes, total := make([]int, len(p.packages)), make([]int64, len(p.packages)), int64(0)
	for i, pkg := range p.packages {
		st, err := os.Stat(pkg.Path)
		if err != nil {
			return fmt.Errorf("unpacking %s: %w", pkg.NEVRA(), err)
		}
		order[i], sizes[i] = i, st.Size()-pkg.payload
		total += sizes[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sizes[b], sizes[a]) })
	task := p.options.Report.Task(fmt.Sprintf("unpacking %d packages", len(order)), total, report.Bytes)
	defer task.Drop()

	parallel := p.options.Parallel
	if parallel == 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	queue := make(chan int, len(order))
	for _, i := range order {
		queue <- i
	}
	close(queue)
	group, ctx := errgroup.WithContext(ctx)
	for range min(parallel, len(order)) {
		group.Go(func() error {
			w := &worker{plan: p, task: task, folders: map[string]*os.File{}, buffer: make([]byte, 256<<10)}
			defer w.forget()
			for i := range queue {
				task.Doing(p.packages[i].NEVRA().Name)
				if err := w.unpack(ctx, i); err != nil {
					return fmt.Errorf("unpacking %s: %w", p.packages[i].NEVRA(), err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	task.Done()
	return nil
}

var errSource = errors.New("is a source package")
