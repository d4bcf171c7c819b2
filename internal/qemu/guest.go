package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/hint"
)

// A Guest is a running machine.
type Guest struct {
	Machine Machine
	Version string    // of QEMU
	Port    int       // on 127.0.0.1: leads to port 22 of the guest
	Serial  io.Reader // what the guest writes to its serial port; it waits for the reader

	process *process
	monitor *monitor
	serial  *os.File
	mailbox *os.File // where QEMU puts memory and screens
}

// The descriptors that QEMU inherits.
const (
	serialFD = 3 + iota
	monitorFD
	seedFD
	mailboxFD
	overlayFD
	variablesFD
)

// inherited is the path under which QEMU opens a descriptor that it inherits.
func inherited(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// startLimit is how long QEMU may take to set a machine up, before the guest runs.
const startLimit = 30 * time.Second

// Start switches the machine on. Close it at the end, whatever became of it.
func (m Machine) Start(ctx context.Context) (*Guest, error) {
	g := &Guest{Machine: m}
	if err := g.start(ctx); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Guest) start(ctx context.Context) error {
	serial, theirSerial, err := wire("serial")
	if err != nil {
		return err
	}
	defer theirSerial.Close()
	g.serial, g.Serial = serial, serial
	conn, theirMonitor, err := wire("monitor")
	if err != nil {
		return err
	}
	defer theirMonitor.Close()
	g.monitor = talk(conn)
	seed, err := memory("seed", g.Machine.Seed)
	if err != nil {
		return err
	}
	defer seed.Close()
	if g.mailbox, err = memory("mailbox", nil); err != nil {
		return err
	}
	overlay, variables, err := g.Machine.temporaries()
	if err != nil {
		return err
	}
	defer overlay.Close()
	defer variables.Close() // of nil, that does nothing
	have := files{overlay: inherited(overlayFD)}
	if g.Machine.Seed != nil {
		have.seed = inherited(seedFD)
	}
	if variables != nil {
		have.variables = inherited(variablesFD)
	}
	args := g.Machine.args(have,
		"-chardev", fmt.Sprintf("socket,id=serial,fd=%d", serialFD),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control", "-S")
	if g.process, err = launch(g.Machine.Emulator.Path, args, theirSerial, theirMonitor, seed, g.mailbox, overlay, variables); err != nil {
		return err
	}
	theirSerial.Close() // so that its end is seen
	theirMonitor.Close()
	return g.setUp(ctx)
}

// setUp makes the machine ready and lets it run.
func (g *Guest) setUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("QEMU did not start within %v", startLimit))
	defer cancel()
	err := func() error {
		select {
		case hello := <-g.monitor.hello:
			g.Version = hello.String()
		case <-g.monitor.gone:
			return errGone
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := g.monitor.execute(ctx, "qmp_capabilities", nil, nil); err != nil {
			return err
		}
		if err := g.growDisk(ctx); err != nil {
			return err
		}
		if err := g.findPort(ctx); err != nil {
			return err
		}
		return g.monitor.execute(ctx, "cont", nil, nil)
	}()
	if errors.Is(err, errGone) {
		<-g.process.done
		return g.Machine.explain(g.process)
	}
	return err
}

// growDisk gives the guest's disk its size: the overlay is empty and has none of its own.
func (g *Guest) growDisk(ctx context.Context) error {
	var devices []struct {
		Device   string
		Inserted struct {
			Image struct {
				Backing struct {
					Size int64 `json:"virtual-size"`
				} `json:"backing-image"`
			}
		}
	}
	if err := g.monitor.execute(ctx, "query-block", nil, &devices); err != nil {
		return err
	}
	for _, d := range devices {
		if size := d.Inserted.Image.Backing.Size; d.Device == "disk" && size > 0 {
			return g.monitor.execute(ctx, "block_resize", map[string]any{"device": "disk", "size": size + g.Machine.Disk.Grow}, nil)
		}
	}
	return errors.New("QEMU does not know of the disk")
}

var forwarded = regexp.MustCompile(`TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s`)

// findPort asks which port the host's kernel chose.
func (g *Guest) findPort(ctx context.Context) error {
	var table string
	if err := g.monitor.execute(ctx, "human-monitor-command", map[string]any{"command-line": "info usernet"}, &table); err != nil {
		return err
	}
	match := forwarded.FindStringSubmatch(table)
	if match == nil {
		return fmt.Errorf("QEMU does not say which port leads to the guest: %q", table)
	}
	var err error
	g.Port, err = strconv.Atoi(match[1])
	return err
}

// Close ends the guest and waits until nothing is left of it.
func (g *Guest) Close() {
	if g.process != nil {
		g.process.kill()
	}
	if g.monitor != nil {
		g.monitor.conn.Close()
		<-g.monitor.gone
	}
	for _, f := range []*os.File{g.serial, g.mailbox} {
		if f != nil {
			f.Close()
		}
	}
}

// Events returns what QEMU tells, until it has ended.
func (g *Guest) Events() <-chan Event { return g.monitor.events }

// Err waits for QEMU to end and says why it did: nil if nothing was wrong.
func (g *Guest) Err() error {
	<-g.process.done
	if g.process.err == nil {
		return nil
	}
	return g.Machine.explain(g.process)
}

// A DiskError says that QEMU cannot make sense of the disk's file.
type DiskError struct{ error }

func (e *DiskError) Unwrap() error { return e.error }

// explain is the error for a QEMU that has ended by itself.
func (m Machine) explain(p *process) error {
	says := p.says(m.Emulator.Path)
	err := fmt.Errorf("running QEMU: %w: %s", p.err, says)
	if p.err == nil || says == "" {
		err = fmt.Errorf("running QEMU: it ended unexpectedly: %v %s", p.err, says)
	}
	has := func(text string) bool { return strings.Contains(says, text) }
	switch {
	case has("Cannot allocate memory"), has("cannot set up guest memory"):
		return hint.Wrap(err, "the guest needs %d MiB: give it less with --memory, or run fewer at once with --jobs", m.Memory>>20)
	case has("Could not set up host forwarding rule"):
		return hint.Wrap(err, "no TCP port of 127.0.0.1 is free: look for what took them with ss -tan")
	case has(`Failed to get shared "write" lock`):
		return hint.Wrap(err, "another program is writing to %s", m.Disk.Path)
	case has("No space left on device"):
		return hint.Wrap(err, "the temporary folder is full: set TMPDIR to one with space")
	case has("id=disk,") && !has("Permission denied") && !has("No such file"), has("qcow2:"):
		// It says which option it was about, with the file's name at its end.
		_, what, ok := strings.Cut(says, drive(backingFile+m.Disk.Path)+": ")
		if !ok {
			what = says
		}
		what = strings.TrimPrefix(what, "Could not open backing file: ")
		return &DiskError{fmt.Errorf("QEMU cannot read %q as %s: %s", m.Disk.Path, m.Disk.Format, what)}
	}
	return err
}
