package qemu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/hint"
)

// idleMachine is a small machine whose disk holds nothing to boot.
func idleMachine(t testing.TB) Machine {
	t.Helper()
	e, err := Find("x86_64")
	if err != nil {
		t.Skipf("SKIP: %v", err)
	}
	disk := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	return Machine{Emulator: e, Accelerator: TCG, CPUs: 1, Memory: 64 << 20, Disk: Disk{Path: disk, Format: "raw", Grow: 1 << 20}}
}

// gone reports whether a process has ended, which may take a moment.
func gone(pid int) bool {
	for range 100 {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(text), ") Z ") {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

func TestGuest(t *testing.T) {
	m := idleMachine(t)
	before, _ := os.ReadDir(TemporaryFolder())
	g, err := m.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ctx := context.Background()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		text, err := g.Text(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "No bootable device") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the screen shows %q", text)
		}
	}
	if picture, err := g.Screenshot(ctx); err != nil || picture.Bounds().Dx() < 640 {
		t.Errorf("screenshot: %v", err)
	}
	if v, err := g.Vitals(ctx); err != nil || v.Ran == 0 || v.Reads == 0 {
		t.Errorf("vitals: %+v, %v", v, err)
	}
	if s := g.Status(ctx); s != "running" {
		t.Errorf("status is %q", s)
	}
	if state := string(g.State(ctx)["query-block"]); !strings.Contains(state, fmt.Sprint(2<<20)) {
		t.Errorf("the disk did not grow: %s", state)
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", g.Port)); err != nil {
		t.Errorf("port: %v", err)
	} else {
		conn.Close()
	}
	g.Close()
	if !gone(g.process.pid) {
		t.Error("QEMU still runs")
	}
	if after, _ := os.ReadDir(TemporaryFolder()); len(after) > len(before) {
		t.Errorf("something is left in %s", TemporaryFolder())
	}
	if text, _ := os.ReadFile(m.Disk.Path); len(text) != 1<<20 {
		t.Errorf("the disk's file has %d bytes now", len(text))
	}
}

func TestStartErrors(t *testing.T) {
	m := idleMachine(t)
	text := filepath.Join(t.TempDir(), "text.qcow2")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a qcow2 ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Machine)
		want   string
		hint   string
		disk   bool // a *DiskError
	}{
		{"no disk", func(m *Machine) { m.Disk.Path = "/nowhere/disk" }, "No such file", "", false},
		{"no qcow2", func(m *Machine) { m.Disk = Disk{text, "qcow2", 0} }, `text.qcow2" as qcow2: Image is not in qcow2 format`, "", true},
		{"no vmdk", func(m *Machine) { m.Disk = Disk{text, "vmdk", 0} }, `text.qcow2" as vmdk: `, "", true},
		{"no vhd", func(m *Machine) { m.Disk = Disk{text, "vpc", 0} }, `text.qcow2" as vpc: invalid VPC image`, "", true},
		{"memory", func(m *Machine) { m.Memory = 1 << 50 }, "running QEMU", "--memory", false},
		{"no QEMU", func(m *Machine) { m.Emulator.Path = "/bin/false" }, "ended", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := m
			tt.change(&m)
			g, err := m.Start(context.Background())
			if err == nil {
				g.Close()
				t.Fatal("it started")
			}
			_, disk := errors.AsType[*DiskError](err)
			if !strings.Contains(err.Error(), tt.want) || disk != tt.disk || tt.hint != "" && !strings.Contains(strings.Join(hint.Of(err), " "), tt.hint) {
				t.Errorf("error is %v (disk: %v), hints are %q", err, disk, hint.Of(err))
			}
		})
	}
}

func TestCancelledStart(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if g, err := idleMachine(t).Start(ctx); !errors.Is(err, context.Canceled) {
		g.Close()
		t.Errorf("error is %v", err)
	}
}

// TestMain lets the test's program be what the tests below run.
func TestMain(m *testing.M) {
	switch os.Getenv("QEMU_TEST") {
	case "start":
		startAndWait()
	case "ports":
		takePorts()
	default:
		os.Exit(m.Run())
	}
}

// startAndWait runs a guest, prints the process's number and waits to be killed.
func startAndWait() {
	var t testing.B // for its Skip and Fatal
	g, err := idleMachine(&t).Start(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(g.process.pid)
	select {}
}

// QEMU dies with us, even if we had no chance to do anything about it.
func TestKilled(t *testing.T) {
	idleMachine(t) // or skip
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "QEMU_TEST=start")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	} else if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatalf("it says %q", line)
	}
	time.Sleep(time.Second) // long enough for Go to end threads that have nothing to do
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("QEMU ended before: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !gone(pid) {
		syscall.Kill(pid, syscall.SIGKILL)
		t.Error("QEMU still runs")
	}
}

// takePorts runs in a network of its own that has two ports for connections, one of them taken.
func takePorts() {
	fail := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		fail(fmt.Errorf("%w: %s", err, out))
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40001"), 0o644); err != nil {
		fail(err)
	}
	if _, err := net.Listen("tcp", "127.0.0.1:40000"); err != nil {
		fail(err)
	}
	var t testing.B
	m := idleMachine(&t)
	g, err := m.Start(context.Background())
	if err != nil {
		fail(err)
	}
	fmt.Println("port", g.Port)
	_, err = m.Start(context.Background())
	fmt.Println("then", err, hint.Of(err))
	g.Close()
}

// A port that is taken is in nobody's way while there is another, and a clear error after that.
func TestPortsTaken(t *testing.T) {
	idleMachine(t) // or skip
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "QEMU_TEST=ports")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("SKIP: needs root, for a network of its own")
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); !strings.HasPrefix(got, "port 40001\nthen ") || !strings.Contains(got, "no TCP port of 127.0.0.1 is free") {
		t.Errorf("it says %s", got)
	}
}

func TestAccelerator(t *testing.T) {
	m := idleMachine(t)
	cache := t.TempDir()
	a, reason := m.Emulator.Accelerator(context.Background(), cache)
	if (a == KVM) != (reason == "") {
		t.Errorf("accelerator %q, reason %q", a, reason)
	}
	t.Logf("%s %s", a, reason)
	if again, why := m.Emulator.Accelerator(context.Background(), cache); again != a || why != reason {
		t.Errorf("then %q, %q", again, why)
	}
	arm := Emulator{Path: m.Emulator.Path, Arch: "aarch64"}
	if arm.native() {
		arm.Arch = "x86_64"
	}
	if a, reason := arm.Accelerator(context.Background(), cache); a != TCG || reason == "" {
		t.Errorf("a foreign architecture: %q %q", a, reason)
	}
}

// The probe's guest does leave QEMU with the exit code that it is to have.
func TestProbeGuest(t *testing.T) {
	m := idleMachine(t)
	disk := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(disk, bootSector(), 0o644); err != nil {
		t.Fatal(err)
	}
	err := exec.Command(m.Emulator.Path, "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg", "-m", "64",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-drive", "if=virtio,format=raw,readonly=on,file="+disk).Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != probeExit<<1|1 {
		t.Errorf("it ended with %v", err)
	}
}

// A note is good for the same boot and the same QEMU only.
func TestNote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	n := note{Boot: "1", Emulator: "/qemu", Failure: "it hangs"}
	n.write(dir)
	for _, tt := range []struct {
		note note
		want bool
	}{
		{note{Boot: "1", Emulator: "/qemu"}, true},
		{note{Boot: "2", Emulator: "/qemu"}, false},
		{note{Boot: "1", Emulator: "/other"}, false},
		{note{Boot: "1", Emulator: "/qemu", Modified: time.Unix(1, 0)}, false},
	} {
		if got := tt.note.read(dir); got != tt.want || got && tt.note.Failure != "it hangs" {
			t.Errorf("%+v: %v", tt.note, got)
		}
	}
	empty := note{}
	if empty.read("") {
		t.Error("a note was read from nowhere")
	}
}
