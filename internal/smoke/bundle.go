package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"time"

	"github.com/respin-project/respin/internal/manifest"
)

// Evidence is what a failed guest left behind.
type Evidence struct {
	console []byte
	journal []byte                     // empty if nobody could log in
	screen  image.Image                // nil if QEMU gave none
	text    string                     // of a screen in text mode
	state   map[string]json.RawMessage // what QEMU says
	command string                     // a shell script
	seed    []byte
}

// The time that collecting evidence may take.
const (
	lastWords    = 3 * time.Second // for what the guest still writes, such as a panic's trace
	journalLimit = time.Minute
	stateLimit   = 10 * time.Second
)

// collect gathers the evidence while the guest is still there.
func (a *attempt) collect(ctx context.Context) {
	a.task.Doing("collecting evidence")
	for start, spoken := time.Now(), int64(-1); time.Since(start) < lastWords && spoken != a.console.Progress(); {
		spoken = a.console.Progress()
		sleep(ctx, 500*time.Millisecond)
	}
	e := &Evidence{seed: a.machine.Seed, command: a.script()}
	if a.shell != nil {
		if out, err := a.shell.run(ctx, a.shell.asRoot("journalctl -b --no-pager || dmesg"), journalLimit); err == nil {
			e.journal = []byte(out.stdout)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, stateLimit)
	defer cancel()
	e.screen, _ = a.guest.Screenshot(ctx) // a bundle without it is better than none
	e.text, _ = a.guest.Text(ctx)
	e.state = a.guest.State(ctx)
	e.console = a.console.Transcript()
	a.evidence = e
}

// script boots the image as the test did, for a person to watch.
func (a *attempt) script() string {
	m, unpack := a.machine, ""
	if tool := unpackers[a.image.Format]; tool != "" {
		path, _ := filepath.Abs(a.image.Path)
		m.Disk.Path = "disk.raw"
		unpack = fmt.Sprintf("[ -e disk.raw ] || %s -dc %s > disk.raw\n", tool, quote(path))
	}
	return fmt.Sprintf(`#!/bin/sh
# Boots the image as img-smoke did, on this terminal; Ctrl-A X ends it. Nothing
# is written to the image. In the test its disk was %d bytes larger.
cd "$(dirname "$0")" || exit
%sexec %s
`, m.Disk.Grow, unpack, m.CommandLine(seedName))
}

// unpackers are the programs that unpack a packed disk.
var unpackers = map[string]string{"raw.xz": "xz", "raw.zst": "zstd", "raw.gz": "gzip"}

const seedName = "seed.iso"

// Write writes the evidence, and the result, into a folder, which it replaces
// if it is there. The folder appears whole.
func (e *Evidence) Write(folder string, name string, result manifest.Test) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(folder), ".smoke-")
	if err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	defer os.RemoveAll(unfinished)
	for name, content := range e.files(name, result) {
		mode := os.FileMode(0o644)
		if name == scriptName {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(unfinished, name), content, mode); err != nil {
			return fmt.Errorf("writing the evidence: %w", err)
		}
	}
	if err := os.Chmod(unfinished, 0o755); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	if err := os.Rename(unfinished, folder); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	return nil
}

const scriptName = "qemu.sh"

// files are the files of a bundle. One that has nothing to say is left out.
func (e *Evidence) files(name string, result manifest.Test) map[string][]byte {
	files := map[string][]byte{
		"console.log": e.console,
		"journal.log": e.journal,
		"screen.txt":  []byte(e.text),
		scriptName:    []byte(e.command),
		seedName:      e.seed,
		"junit.xml":   JUnit([]Suite{{Name: name, Test: result}}),
	}
	files["result.json"], _ = json.MarshalIndent(result, "", "  ") // strings and numbers only
	files["qmp.json"], _ = json.MarshalIndent(e.state, "", "  ")
	if e.screen != nil {
		var b bytes.Buffer
		if err := png.Encode(&b, e.screen); err == nil {
			files["screen.png"] = b.Bytes()
		}
	}
	for name, content := range files {
		if len(content) == 0 {
			delete(files, name)
		}
	}
	return files
}
