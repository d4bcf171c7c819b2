package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"img-smoke": main})
}

func TestScripts(t *testing.T) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"disk": disk, "guest": guest, "image": image}
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.With(commands), Setup: clitest.Setup, Condition: condition})
}

// condition tells a script what this machine has.
func condition(name string) (bool, error) {
	switch name {
	case "aarch64-firmware":
		for _, path := range []string{"/usr/share/AAVMF", "/usr/share/edk2/aarch64", "/usr/share/qemu/edk2-aarch64-code.fd"} {
			if _, err := os.Stat(path); err == nil {
				return true, nil
			}
		}
		return false, nil
	case "guests":
		return os.Getenv("RESPIN_GUESTS") != "", nil
	case "amd64-host":
		text, err := exec.Command("uname", "-m").Output()
		return strings.TrimSpace(string(text)) == "x86_64", err
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// endless is a disk whose boot sector waits for ever.
func endless() []byte {
	d := make([]byte, 1<<20)
	copy(d, "\xfa\xf4\xeb\xfc") // cli; hlt; jmp back
	d[510], d[511] = 0x55, 0xaa
	return d
}

// disk FILE makes a raw disk without a boot sector, disk --endless FILE one whose boot sector never ends.
func disk(ts *testscript.TestScript, _ bool, args []string) {
	content := make([]byte, 1<<20)
	if args[0] == "--endless" {
		content = endless()
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[len(args)-1]), content, 0o644))
}

// guest NAME FILE copies the disk of a guest that scripts/guests made.
func guest(ts *testscript.TestScript, _ bool, args []string) {
	from := filepath.Join(os.Getenv("RESPIN_GUESTS"), args[0]+".raw")
	ts.Check(exec.Command("cp", "--sparse=always", from, ts.MkAbs(args[1])).Run())
}

// image FOLDER NAME FORMAT [SMOKE] writes NAME.json, a stream's manifest of an image in FOLDER
// whose artifact is FOLDER/disk.FORMAT and whose spec has the smoke tests given as JSON.
func image(ts *testscript.TestScript, _ bool, args []string) {
	m := map[string]any{
		"schema": "respin/v1",
		"folder": args[0],
		"image":  map[string]string{"name": args[1], "version": "43", "release": "1", "arch": "x86_64"},
	}
	if data, err := os.ReadFile(ts.MkAbs(args[0] + "/disk." + args[2])); err == nil {
		sum := sha256.Sum256(data)
		m["artifacts"] = []any{map[string]any{"path": "disk." + args[2], "format": args[2], "size": len(data), "sha256": hex.EncodeToString(sum[:])}}
	}
	if len(args) > 3 {
		m["spec"] = map[string]any{"path": "specs/x", "smoke": json.RawMessage(args[3])}
	}
	text, err := json.Marshal(m)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".json"), append(text, '\n'), 0o644))
}

func TestDocumented(t *testing.T) {
	if missing := cli.Undocumented(doc, new(options).define); len(missing) > 0 {
		t.Errorf("flags that doc.go does not mention: %q", missing)
	}
}

// begin starts img-smoke on a guest that never ends, in a temporary folder of
// its own, and waits until QEMU runs. It returns QEMU's number.
func begin(t *testing.T, dir string, stderr *bytes.Buffer) (*exec.Cmd, int) {
	t.Helper()
	path := clitest.Program(t, "img-smoke")
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	for _, name := range []string{"tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "disk.raw"), endless(), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--accel", "tcg", "--firmware", "bios", "--arch", "x86_64", "--junit", "junit.xml", "disk.raw")
	cmd.Dir, cmd.Stderr = dir, stderr
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(dir, "tmp"), "RESPIN_CACHE="+filepath.Join(dir, "cache"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if pid := child(cmd.Process.Pid); pid != 0 {
			time.Sleep(300 * time.Millisecond) // so that the guest runs
			return cmd, pid
		}
	}
	cmd.Process.Kill()
	t.Fatalf("QEMU did not start: %s", stderr)
	return nil, 0
}

// child is the number of a process's child that is a QEMU, 0 if it has none.
func child(parent int) int {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var pid, of int
		var name, state string
		if _, err := fmt.Sscan(string(text), &pid, &name, &state, &of); err == nil && of == parent && strings.HasPrefix(name, "(qemu") {
			return pid
		}
	}
	return 0
}

// left fails the test if QEMU still runs, or files are left beside the disk.
func left(t *testing.T, dir string, pid int) {
	t.Helper()
	ended := false
	for range 100 { // the kernel takes a moment
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
			ended = true
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !ended {
		syscall.Kill(pid, syscall.SIGKILL)
		t.Error("QEMU still runs")
	}
	for _, name := range []string{"tmp", "."} {
		entries, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name == "tmp" || e.Name() != "disk.raw" && e.Name() != "tmp" && e.Name() != "cache" {
				t.Errorf("left behind: %s/%s", name, e.Name())
			}
		}
	}
}

// Ctrl-C, and a polite end, leave neither QEMU nor files.
func TestInterrupted(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			dir, stderr := t.TempDir(), new(bytes.Buffer)
			cmd, pid := begin(t, dir, stderr)
			cmd.Process.Signal(signal)
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != cli.Failed || !strings.Contains(stderr.String(), "img-smoke: interrupted\n") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			left(t, dir, pid)
		})
	}
}

// Nor does a kill, after which it can do nothing any more.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	cmd, pid := begin(t, dir, new(bytes.Buffer))
	cmd.Process.Kill()
	cmd.Wait()
	left(t, dir, pid)
}
