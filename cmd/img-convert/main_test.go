package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"img-convert": main})
}

func TestScripts(t *testing.T) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"disk": disk, "image": image}
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.With(commands), Setup: clitest.Setup})
}

// disk SEED SIZE FILE makes a raw disk.
func disk(ts *testscript.TestScript, _ bool, args []string) {
	var seed uint64
	var size int
	_, err := fmt.Sscan(args[0]+" "+args[1], &seed, &size)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), blocktest.Disk(seed, size), 0o644))
}

// image FOLDER NAME [FORMATS] writes NAME.json, a stream's manifest of an image
// in FOLDER whose raw disk is FOLDER/disk.raw, if that is there.
func image(ts *testscript.TestScript, _ bool, args []string) {
	m := map[string]any{
		"schema": "respin/v1",
		"folder": args[0],
		"image":  map[string]string{"name": args[1], "version": "43", "release": "1", "arch": "x86_64"},
	}
	if data, err := os.ReadFile(ts.MkAbs(args[0] + "/disk.raw")); err == nil {
		sum := sha256.Sum256(data)
		m["artifacts"] = []any{map[string]any{"path": "disk.raw", "format": "raw", "size": len(data), "sha256": hex.EncodeToString(sum[:])}}
	}
	if len(args) > 2 {
		m["spec"] = map[string]any{"path": "specs/x", "formats": strings.Split(args[2], ",")}
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

// command returns this test's own program as img-convert.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(clitest.Program(t, "img-convert"), args...)
}

// Killed at any moment, it leaves nothing under a final name that is not
// whole, and the next run works and clears up.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(raw, blocktest.Disk(1, 60<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	const formats = "qcow2,vmdk,raw.zst,vhd:dynamic,ova"
	killed := 0
	for i := range 12 {
		cmd := command(t, "--quiet", "--to", formats, "--output", out, raw)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
			os.RemoveAll(out)
			continue
		case <-time.After(time.Duration(i*i) * 10 * time.Millisecond):
		}
		cmd.Process.Signal(syscall.SIGKILL)
		<-done
		killed++
		if left, _ := filepath.Glob(filepath.Join(out, "disk.*")); len(left) > 0 && len(left) < 5 {
			// Between the first and the last of the names being given, the files are whole.
			t.Logf("killed while the names were given: %q", left)
		} else if len(left) == 5 {
			os.RemoveAll(out)
		}
	}
	if killed == 0 {
		t.Error("it was never killed before its end")
	}
	time.Sleep(1100 * time.Millisecond) // what is younger than a second is left alone
	if text, err := command(t, "--quiet", "--to", formats, "--output", out, raw).CombinedOutput(); err != nil {
		t.Fatalf("the next run: %v\n%s", err, text)
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 5 {
		t.Errorf("%d files are there, want 5: %v", len(entries), entries)
	}
}

// An interrupt is not a kill: what is not complete is gone at once.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(raw, blocktest.Disk(1, 60<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	cmd := command(t, "--to", "qcow2,vmdk,raw.xz", "--output", out, raw)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 { // until it is at work
		if left, _ := os.ReadDir(out); len(left) == 3 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "img-convert: interrupted") {
		t.Errorf("%v: %s", err, &stderr)
	}
	if left, _ := os.ReadDir(out); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A disk of 100 GiB with little in it takes little memory, and so does one
// with nothing; neither is written out.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{"data": blocktest.Disk(3, 40<<20), "zero": nil} {
		raw := filepath.Join(dir, name+".raw")
		f, err := os.Create(raw)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if _, err := f.WriteAt(content, int64(i)*33<<30+12345); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Truncate(100 << 30); err != nil {
			t.Skipf("SKIP: no file of 100 GiB here: %v", err)
		}
		f.Close()
		cmd := command(t, "--quiet", "--to", "qcow2,qcow2:zstd,vmdk,ova,vhd:dynamic,gce,box,containerdisk", "--output", dir, raw)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; peak > 256<<10 {
			t.Errorf("%s: %d KiB of memory", name, peak)
		}
	}
}
