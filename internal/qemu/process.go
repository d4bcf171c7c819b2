package qemu

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a running program that dies with this one.
type process struct {
	pid    int
	stderr head
	done   chan struct{} // closed when it has ended, after which err is set
	err    error
}

// tunables has glibc take large pages where the kernel offers them: QEMU without
// KVM looks things up in large tables all the time, and boots a guest in five sixths of the time then.
const tunables = "GLIBC_TUNABLES"

// launch starts a program. It inherits files as its descriptors from 3 on.
//
// The kernel kills it when the thread that started it ends, so that thread is
// kept for it alone. It gets a process group of its own, for Ctrl-C on a
// terminal goes to the whole group and is ours to answer.
func launch(path string, args []string, files ...*os.File) (*process, error) {
	p := &process{done: make(chan struct{})}
	cmd := exec.Command(path, args...)
	cmd.Stderr = &p.stderr
	if _, set := os.LookupEnv(tunables); !set {
		cmd.Env = append(os.Environ(), tunables+"=glibc.malloc.hugetlb=1")
	}
	cmd.ExtraFiles = files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting QEMU: %w", err)
	}
	return p, nil
}

// kill ends the process and waits for its end.
func (p *process) kill() {
	select {
	case <-p.done: // its number may be another's by now
	default:
		syscall.Kill(p.pid, syscall.SIGKILL)
		<-p.done
	}
}

// says is what the process wrote to its standard error, as one line without
// the warnings and the program's name.
func (p *process) says(path string) string {
	var lines []string
	for line := range strings.Lines(p.stderr.String()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), path+": ")
		if line != "" && !strings.HasPrefix(line, "warning: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// head keeps the beginning of what is written to it.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const headSize = 16 << 10

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), headSize-h.buf.Len())])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}

// memory returns an open file without a name that holds data. Another program
// that inherits it as descriptor N can open it as /proc/self/fd/N.
func memory(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// wire returns the two ends of a connection.
func wire(name string) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}
