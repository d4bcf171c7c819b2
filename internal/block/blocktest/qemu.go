package blocktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// CheckQemu holds an image of a format, as QEMU names it, against QEMU's own
// reader, if that is installed: it must be without faults and hold the disk.
func CheckQemu(t *testing.T, format string, image, disk []byte) {
	t.Helper()
	tool, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Log("qemu-img is not installed and cannot be asked")
		return
	}
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "image"), filepath.Join(dir, "disk")}
	for i, data := range [][]byte{image, disk} {
		if err := os.WriteFile(paths[i], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := [][]string{{"compare", "-q", "-f", format, "-F", "raw", paths[0], paths[1]}}
	if format != "vpc" { // which QEMU has no check of
		commands = append(commands, []string{"check", "-q", "-f", format, paths[0]})
	}
	for _, args := range commands {
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Errorf("qemu-img %s: %v\n%s", args[0], err, out)
		}
	}
}

// QemuImage returns the image that qemu-img makes of a disk with some of its
// options, or skips the test.
func QemuImage(t *testing.T, disk []byte, options string) []byte {
	t.Helper()
	tool, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("SKIP: qemu-img is not installed")
	}
	dir := t.TempDir()
	raw, path := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "image")
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"convert", "-f", "raw"}, strings.Fields(options)...)
	if out, err := exec.Command(tool, append(args, raw, path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return image
}
