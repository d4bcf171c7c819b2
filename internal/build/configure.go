package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/script"
)

// defaultSpace is what scripts may add to the tree unless the spec says
// otherwise, bytes. The tree is in memory.
const defaultSpace = 1 << 30

// configure makes the kickstart's commands and scripts take effect in the tree.
func (j *job) configure(ctx context.Context) error {
	task := j.Report.Task("configuring", 0, report.Items)
	defer task.Drop()
	if err := j.system().Apply(ctx, j.ks); err != nil {
		return err
	}
	if err := j.writeFstab(); err != nil {
		return err
	}
	if err := j.loader().Configure(ctx); err != nil {
		return err
	}
	task.Done()
	return j.runScripts(ctx, kickstart.Post)
}

func (j *job) writeFstab() error {
	r, err := os.OpenRoot(j.tree)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.MkdirAll("etc", 0o755); err != nil {
		return err
	}
	return r.WriteFile("etc/fstab", []byte(j.plan.Fstab()), 0o644)
}

// runScripts runs the scripts of a kind. The workspace has only so much room
// left while they run: some fill the disk to its end on purpose.
func (j *job) runScripts(ctx context.Context, kind kickstart.Kind) error {
	has := func(s *kickstart.Script) bool { return s.Kind == kind }
	if !slices.ContainsFunc(j.ks.Scripts, has) {
		return nil
	}
	if err := j.limit(); err != nil {
		return err
	}
	work := filepath.Join(j.folder, "scripts")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	timeout := time.Duration(j.scripts.Timeout)
	if timeout == 0 {
		timeout = script.DefaultTimeout
	}
	r := script.Runner{
		Tree: j.tree, Buildroot: j.buildroot.Root, Plan: j.plan, Work: work, Temp: j.temp, Date: j.date,
		Timeout: timeout, Network: j.scripts.Network, Log: j.log, Report: j.Report,
	}
	return errors.Join(r.Run(ctx, j.ks, kind), os.RemoveAll(work), j.workspace.Resize(j.room))
}

// limit leaves the workspace as much room as scripts may fill.
func (j *job) limit() error {
	used, err := j.workspace.Used()
	if err != nil {
		return err
	}
	space := j.scripts.Space
	if space == 0 {
		space = defaultSpace
	}
	return j.workspace.Resize(used + space)
}

// onError runs the kickstart's %onerror scripts after a failure, if there is a
// buildroot to run them in, and returns the failure.
func (j *job) onError(ctx context.Context, failure error) error {
	if j.buildroot == nil || ctx.Err() != nil {
		return failure
	}
	return errors.Join(failure, j.runScripts(ctx, kickstart.OnError))
}
