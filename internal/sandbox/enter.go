package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/respin-project/respin/internal/hint"
	"golang.org/x/sys/unix"
)

// enterVariable marks a process that Enter started: "map" until its ids are
// mapped, "mapped" when it may go on.
const enterVariable = "RESPIN_SANDBOX_ENTER"

// lifeline is the descriptor on which a process that Enter started notices the end of its parent.
const lifeline = 3

// entered is true in a process that runs inside.
var entered bool

// An exitStatus passes the inner process's exit code on; it has said all there is to say.
type exitStatus int

func (e exitStatus) Error() string { return "" }
func (e exitStatus) ExitCode() int { return int(e) }

// Enter makes the process root of a mount namespace of its own: the real root
// if it was started as root, or root of a user namespace with 65536 ids. It
// does so by starting the same command line again with the same standard
// streams. In that process it returns a context that ends when the outer one
// dies, and true. In the outer process it returns false when the inner one has
// ended, with an error that has the inner one's exit code if that is not 0.
func Enter(ctx context.Context) (inner context.Context, inside bool, err error) {
	if entered {
		inner, cancel := context.WithCancel(ctx)
		go func() {
			os.NewFile(lifeline, "lifeline").Read(make([]byte, 1))
			cancel()
		}()
		return inner, true, nil
	}
	return ctx, false, runInside()
}

func runInside() error {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	cmd.Env = append(os.Environ(), enterVariable+"=mapped")
	ordinary := os.Geteuid() != 0
	if ordinary {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.Env[len(cmd.Env)-1] = enterVariable + "=map"
	}
	// The terminal sends Ctrl-C to both; the inner process decides when to end.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("making a namespace to build in: %w", explain(err))
	}
	if ordinary {
		if err := mapIDs(cmd.Process.Pid); err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			return err
		}
		if _, err := ours.Write([]byte{1}); err != nil {
			return fmt.Errorf("starting inside the namespace: %w", err)
		}
	}
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM {
				cmd.Process.Signal(s)
			}
		}
	}()
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if exit.Exited() {
			return exitStatus(exit.ExitCode())
		}
		return fmt.Errorf("the inner process was ended by a signal: %v", exit.Sys().(syscall.WaitStatus).Signal())
	}
	return err
}

// enterStage is what a process that Enter started does before main.
func enterStage() {
	state := os.Getenv(enterVariable)
	os.Unsetenv(enterVariable)
	if state != "map" {
		unix.CloseOnExec(lifeline)
		entered = true
		return
	}
	// Nobody yet: wait to be mapped, then start over to become root with all
	// capabilities of the new namespace.
	if n, _ := os.NewFile(lifeline, "lifeline").Read(make([]byte, 1)); n != 1 {
		os.Exit(1)
	}
	if err := unix.Setresgid(0, 0, 0); err == nil {
		err = unix.Setresuid(0, 0, 0)
	}
	env := append(os.Environ(), enterVariable+"=mapped")
	err := syscall.Exec("/proc/self/exe", os.Args, env)
	fmt.Fprintln(os.Stderr, "starting inside the namespace:", err)
	os.Exit(1)
}

// explain adds to a refusal by the kernel what can be done about it.
func explain(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	for _, knob := range []struct{ file, forbids, advice string }{
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
			"this system restricts user namespaces: run it with sudo, or allow them with sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0",
			"this system forbids user namespaces: run it with sudo, or allow them with sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0",
			"this system forbids user namespaces: run it with sudo, or allow them with sysctl user.max_user_namespaces=15000"},
	} {
		if value, readErr := os.ReadFile(knob.file); readErr == nil && strings.TrimSpace(string(value)) == knob.forbids {
			return hint.Wrap(err, "%s", knob.advice)
		}
	}
	return hint.Wrap(err, "namespaces are refused here: run it as root on the host itself, or in a container started with --privileged")
}
