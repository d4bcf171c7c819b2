// Package script runs a kickstart's scripts as the installer would: in the
// installed tree or beside it, with their logs, interpreters and consequences.
//
// Scripts that were written for the installer expect a disk at /dev/vda and
// tools that work on it. Stand-ins answer for those tools: what a script asks
// of the boot loader or the partition table is noted and honoured when the
// disk is made. See shim.go.
package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
	"golang.org/x/sys/unix"
)

// DefaultTimeout is how long a script may run unless the spec says otherwise.
const DefaultTimeout = 30 * time.Minute

// A Runner runs scripts for one image.
type Runner struct {
	Tree      string // the installed root tree
	Buildroot string // where scripts run that do not run in the tree
	Plan      *disk.Plan
	Work      string // a folder for the script and the stand-ins; made anew for each script
	Temp      string // /tmp of the scripts that do not run in the tree: they leave things there for each other
	Date      int64  // SOURCE_DATE_EPOCH
	Timeout   time.Duration
	Network   bool      // give the scripts the host's network
	Log       io.Writer // gets their output
	Report    *report.Report
}

// folder is where a script finds itself and the stand-ins.
const folder = "/run/respin"

// Run runs the scripts of a kind one after the other. A script that fails
// stops them if it says --erroronfail; otherwise it is a warning.
func (r *Runner) Run(ctx context.Context, k *kickstart.Kickstart, kind kickstart.Kind) error {
	for _, s := range k.Scripts {
		if s.Kind != kind {
			continue
		}
		if err := r.runOne(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) runOne(ctx context.Context, s *kickstart.Script) error {
	task := r.Report.Task(fmt.Sprintf("running %%%s", s.Kind), 0, report.Items)
	task.Doing(fmt.Sprintf("%s:%d", s.File, s.Line))
	defer task.Drop()
	fmt.Fprintf(r.Log, "running %%%s of %s\n", s.Kind, s.Place)
	output := new(sandbox.Tail)
	log := io.MultiWriter(r.Log, output)
	if s.Log != "" {
		f, err := r.openLog(s)
		if err != nil {
			return &kickstart.Diagnostic{At: s.Place, Message: fmt.Sprintf("--log=%s: %v", s.Log, err)}
		}
		defer f.Close()
		log = io.MultiWriter(log, f)
	}
	cmd, err := r.command(s)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run(ctx)
	if err == nil {
		task.Done()
		return r.heed(s)
	}
	return r.judge(ctx, s, err, output)
}

// judge decides what a script's failure means.
func (r *Runner) judge(ctx context.Context, s *kickstart.Script, err error, output *sandbox.Tail) error {
	if ctx.Err() != nil {
		return err
	}
	at := s.Place
	at.Line += failingLine(output.String())
	exit, failed := errors.AsType[*sandbox.ExitError](err)
	if failed {
		err = fmt.Errorf("%%%s: %s", s.Kind, ending(exit))
		if quote := output.Quote(); quote != "" {
			err = fmt.Errorf("%w: %s", err, quote)
		}
	} else {
		err = fmt.Errorf("%%%s: %w", s.Kind, err)
	}
	diagnostic := &kickstart.Diagnostic{At: at, Message: err.Error()}
	switch {
	case failed && s.ErrorOnFail && strings.Contains(output.String(), "No space left on device"):
		return hint.Wrap(diagnostic, "scripts may add only so much: say how much with scripts: space in image.yaml or with --script-space")
	case errors.Is(err, sandbox.ErrTimeout):
		return hint.Wrap(diagnostic, "if it needs longer, say so with scripts: timeout in image.yaml or with --script-timeout")
	case !failed || s.ErrorOnFail:
		return diagnostic
	}
	r.Report.Warn(diagnostic.Place(), "%s (the script does not say --erroronfail, so the build goes on)", diagnostic)
	return r.heed(s)
}

func ending(e *sandbox.ExitError) string {
	if e.Signal != 0 {
		return fmt.Sprintf("the script was ended by a signal: %v", e.Signal)
	}
	return fmt.Sprintf("the script failed with exit code %d", e.Code)
}

// shellLine is how shells say where they stumbled.
var shellLine = regexp.MustCompile(folder + `/script: (?:line )?(\d+): `)

// failingLine returns the line of its body that a script last complained about, or 0.
func failingLine(output string) int {
	all := shellLine.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(all[len(all)-1][1])
	return n
}

// command prepares a script's sandbox.
func (r *Runner) command(s *kickstart.Script) (*sandbox.Command, error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(r.Work, "script"), []byte(s.Body), 0o755); err != nil {
		return nil, err
	}
	cmd := &sandbox.Command{
		Root:        r.Tree,
		Args:        []string{s.Interpreter, folder + "/script"},
		Env:         r.environment(s),
		HostNetwork: r.Network,
		Timeout:     r.Timeout,
		Mounts:      []sandbox.Mount{{Source: r.Work, Target: folder}},
	}
	inTree := s.Kind == kickstart.Post && !s.NoChroot
	if inTree {
		cmd.Mounts = append(cmd.Mounts, r.standIns()...)
	} else {
		cmd.Root, cmd.ReadOnly = r.Buildroot, true
		for _, target := range []string{"/mnt/sysimage", "/mnt/sysroot"} {
			cmd.Mounts = append(cmd.Mounts, sandbox.Mount{Source: r.Tree, Target: target})
		}
		cmd.Mounts = append(cmd.Mounts, sandbox.Mount{Source: r.Temp, Target: "/tmp"}, sandbox.Mount{Target: "/var/tmp"}, sandbox.Mount{Target: "/root"})
	}
	if r.Network {
		cmd.Mounts = append(cmd.Mounts, resolver(cmd.Root)...)
	}
	return cmd, nil
}

// resolver lets a script with network resolve names as the host does.
func resolver(root string) []sandbox.Mount {
	const file = "/etc/resolv.conf"
	st, err := os.Lstat(filepath.Join(root, file))
	if err != nil || !st.Mode().IsRegular() {
		return nil // nothing to mount it on that would not stay in the image
	}
	host, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil
	}
	return []sandbox.Mount{{Source: host, Target: file, ReadOnly: true}}
}

func (r *Runner) environment(s *kickstart.Script) []string {
	return []string{
		"PATH=" + folder + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "USER=root", "LOGNAME=root", "SHELL=/bin/sh",
		"SYSTEMD_OFFLINE=1",
		"ANA_INSTALL_PATH=/mnt/sysimage",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.Date),
	}
}

// openLog opens the file that a script's output goes to: in the tree if the
// script runs there or names the tree, and otherwise in Temp, which is gone afterwards.
func (r *Runner) openLog(s *kickstart.Script) (io.WriteCloser, error) {
	base := r.Temp
	if s.Kind == kickstart.Post && !s.NoChroot || strings.HasPrefix(s.Log, "/mnt/sys") {
		base = r.Tree
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name := s.Log
	for _, prefix := range []string{"/mnt/sysimage", "/mnt/sysroot"} {
		name = strings.TrimPrefix(name, prefix)
	}
	name = strings.TrimPrefix(filepath.Clean("/"+name), "/")
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	// Not blocking: a pipe in its place would have no reader.
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	return &bounded{f, maxLog}, nil
}

// maxLog bounds what one script can write to a log, bytes.
const maxLog = 64 << 20

// bounded drops what is written beyond its limit.
type bounded struct {
	io.WriteCloser
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	if n > 0 {
		if _, err := b.WriteCloser.Write(p[:n]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
