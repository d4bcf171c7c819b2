// Package sandbox runs the programs of an image's distribution away from the
// host: in namespaces of their own, with the image's tree or a buildroot as
// their root, no network unless they are given one, and only the capabilities
// that installing software takes.
//
// It has two layers. Enter moves the whole process into a mount namespace, and
// for an ordinary user into a user namespace with a full range of ids, so that
// what it mounts goes away with it. Command then runs one program in further
// namespaces; when it ends, its mounts and every process it left behind are gone.
//
// Both layers start the running executable again, so main must call Init first.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Command is a program to run in a sandbox.
type Command struct {
	Root   string   // the host's folder that becomes the program's root
	Args   []string // the program, looked up in Env's PATH inside Root, and its arguments
	Env    []string // the whole environment; see Environment
	Dir    string   // working folder inside Root; "/" if empty
	Mounts []Mount  // in order, after the /proc, /sys, /dev, /run and /tmp that Root always gets

	// HostNetwork gives the program the host's network. Without it there is a
	// loopback interface only, on which Serve, if set, answers at ServeURL.
	HostNetwork bool
	Serve       http.Handler

	ReadOnly bool // Root itself cannot be written to; Mounts can

	// Labels lets the program set security attributes and mount,
	// which only tools of ours need, never a script.
	Labels bool

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Timeout        time.Duration // 0 is none
}

// A Mount puts a file or folder of the host, or an empty tmpfs, into the root.
type Mount struct {
	Source   string // on the host; empty for a tmpfs
	Target   string // inside the root; made if it is missing
	ReadOnly bool
	Size     int64 // most bytes of a tmpfs; 0 is the kernel's default, half of the memory

	// System gives the tree at Target, mounted before, a /proc, /sys, /dev,
	// /run and /tmp of its own. The other fields do not count then.
	System bool
}

// ServeURL is where Serve is reached inside the sandbox.
const ServeURL = "http://127.0.0.1"

// ErrTimeout is what Run returns, wrapped, when the program ran for longer than Timeout.
var ErrTimeout = errors.New("did not end in time")

// An ExitError says that the program ran and failed.
type ExitError struct {
	Program string
	Code    int            // exit code, if it exited
	Signal  syscall.Signal // what ended it, if a signal did
}

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("%s was ended by a signal: %v", e.Program, e.Signal)
	}
	return fmt.Sprintf("%s failed with exit code %d", e.Program, e.Code)
}

// Environment returns a plain environment, with further variables, NAME=VALUE, at its end.
func Environment(more ...string) []string {
	return append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "USER=root", "LOGNAME=root", "SHELL=/bin/sh",
	}, more...)
}

// Run runs the program to its end. Its error is an *ExitError if the program
// failed, wraps ErrTimeout or the context's error if it was ended early, and
// says what went wrong otherwise.
func (c *Command) Run(ctx context.Context) error {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Timeout, ErrTimeout)
		defer cancel()
	}
	link, theirs, err := newLink()
	if err != nil {
		return err
	}
	defer link.close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{stageName}
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // descriptor 3
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: c.namespaces()}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("starting a sandbox: %w", explain(err))
	}
	status, err := c.converse(link)
	waitErr := cmd.Wait()
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, ErrTimeout) {
			return fmt.Errorf("%s %w: ended after %v", c.Args[0], ErrTimeout, c.Timeout)
		}
		return cause
	}
	switch {
	case err != nil:
		return fmt.Errorf("sandbox for %s: %w (%v)", c.Args[0], err, waitErr)
	case status.Error != "":
		return fmt.Errorf("sandbox for %s: %s", c.Args[0], status.Error)
	case status.Code != 0 || status.Signal != 0:
		return &ExitError{Program: c.Args[0], Code: status.Code, Signal: syscall.Signal(status.Signal)}
	case errors.Is(waitErr, exec.ErrWaitDelay):
		return nil // a reader of our pipes lingered; the program itself is done
	}
	return nil
}

func (c *Command) namespaces() uintptr {
	flags := unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if !c.HostNetwork {
		flags |= unix.CLONE_NEWNET
	}
	return uintptr(flags)
}

// converse sends the stage its orders, serves while it works and returns its status.
func (c *Command) converse(link *link) (status, error) {
	if err := link.send(orders{
		Root: c.Root, Args: c.Args, Env: c.Env, Dir: c.Dir, Mounts: c.Mounts,
		ReadOnly: c.ReadOnly, Listen: c.Serve != nil, OwnNetwork: !c.HostNetwork, Labels: c.Labels,
	}); err != nil {
		return status{}, err
	}
	listener, status, err := link.receiveFromStage()
	if listener == nil || err != nil {
		return status, err
	}
	server := &http.Server{Handler: c.Serve}
	go server.Serve(listener)
	defer server.Close()
	_, status, err = link.receiveFromStage()
	return status, err
}
