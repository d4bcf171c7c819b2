package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageName is what the executable is called when it is started again as the
// first process of a sandbox.
const stageName = "respin-sandbox"

// stageLink is the descriptor of the stage's end of the link.
const stageLink = 3

// Init takes over if this process is one of this package's own, and does not
// return then. It must be the first thing in main, and in TestMain.
func Init() {
	if len(os.Args) == 1 && os.Args[0] == stageName {
		stage()
	}
	if os.Getenv(enterVariable) != "" {
		enterStage()
	}
}

// stage is process 1 of a sandbox: it makes the mounts, starts the program,
// reaps whatever the program leaves behind, and says how it ended.
func stage() {
	// Capabilities and the system call filter belong to a thread; the program
	// must be started by the one that has them.
	runtime.LockOSThread()
	link, err := openLink(stageLink)
	if err != nil {
		os.Exit(1)
	}
	var o orders
	if err := link.receive(&o); err != nil {
		os.Exit(1)
	}
	s, err := o.carryOut(link)
	if err != nil {
		s.Error = err.Error()
	}
	link.send(s)
	os.Exit(0)
}

func (o *orders) carryOut(link *link) (status, error) {
	if o.OwnNetwork {
		if err := bringLoopbackUp(); err != nil {
			return status{}, err
		}
	}
	if o.Listen {
		listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80})
		if err != nil {
			return status{}, fmt.Errorf("listening inside: %w", err)
		}
		if err := link.sendListener(listener); err != nil {
			return status{}, fmt.Errorf("passing the listener on: %w", err)
		}
		listener.Close()
	}
	go dieWith(link)
	if err := o.enterRoot(); err != nil {
		return status{}, err
	}
	if err := unix.Sethostname([]byte("localhost")); err != nil {
		return status{}, fmt.Errorf("setting the host name: %w", err)
	}
	if err := limit(); err != nil {
		return status{}, err
	}
	if err := dropCapabilities(o.Labels); err != nil {
		return status{}, err
	}
	if err := suppressSync(); err != nil {
		return status{}, err
	}
	return o.start()
}

// dieWith ends this process, and with it all of the sandbox, when the link's other end is closed.
func dieWith(link *link) {
	link.conn.Read(make([]byte, 1))
	os.Exit(1)
}

// start runs the program and reaps until it has ended.
func (o *orders) start() (status, error) {
	dir := o.Dir
	if dir == "" {
		dir = "/"
	}
	path, err := lookUp(o.Args[0], o.Env)
	if err != nil {
		return status{}, err
	}
	unix.Umask(0o022)
	pid, err := syscall.ForkExec(path, o.Args, &syscall.ProcAttr{
		Dir: dir, Env: o.Env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return status{}, fmt.Errorf("starting %s: %w", o.Args[0], err)
	}
	for {
		var w syscall.WaitStatus
		child, err := syscall.Wait4(-1, &w, 0, nil)
		if err == syscall.EINTR {
			continue
		} else if err != nil {
			return status{}, fmt.Errorf("waiting for %s: %w", o.Args[0], err)
		}
		if child != pid {
			continue
		}
		if w.Signaled() {
			return status{Signal: int(w.Signal())}, nil
		}
		return status{Code: w.ExitStatus()}, nil
	}
}

// lookUp finds a program in the PATH of env, inside the root.
func lookUp(name string, env []string) (string, error) {
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			os.Setenv("PATH", path)
		}
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("there is no program %q", name)
	}
	return path, err
}

// limit sets the resource limits. Some programs of rpm's family touch every
// descriptor they might have, so the number is kept at the usual one.
func limit() error {
	for _, l := range []struct {
		resource int
		value    uint64
	}{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_NOFILE, 1024}} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("setting a resource limit: %w", err)
		}
	}
	return nil
}

func bringLoopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bringing the loopback interface up: %w", err)
	}
	return nil
}
