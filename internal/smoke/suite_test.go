package smoke

import (
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/manifest"
)

var exampleSuites = []Suite{
	{"fedora", manifest.Test{Artifact: "a.qcow2", SHA256: "12", Firmware: "bios", Accelerator: "tcg", Machine: "QEMU 9", Passed: true, Seconds: 61.5,
		Retries: []string{"kernel oops: <int3>"},
		Results: []manifest.Result{
			{Name: "boot", Severity: "error", Outcome: "passed", Message: "fedora logged in", Seconds: 50},
			{Name: "selinux", Severity: "error", Outcome: "skipped", Message: "the image has no SELinux"},
			{Name: "journal-errors", Severity: "warning", Outcome: "failed", Message: "1 errors in the journal: <x> & \x1b[y"},
		}}},
	{"fedora", manifest.Test{Firmware: "uefi", Code: "hang", Cause: "the guest stands still for 40 s at \"ini|trd\"", Seconds: 99,
		Results: []manifest.Result{{Name: "boot", Severity: "error", Outcome: "failed", Message: "the guest stands still"}}}},
	{"other", manifest.Test{Firmware: "bios", Code: "timeout", Cause: "the test took longer than allowed",
		Results: []manifest.Result{{Name: "boot", Severity: "error", Outcome: "passed"}}}},
}

func TestJUnit(t *testing.T) {
	golden(t, "testdata/junit.golden", string(JUnit(exampleSuites)))
}

func TestSummary(t *testing.T) {
	golden(t, "testdata/summary.golden", Summary(exampleSuites))
}

func TestChoose(t *testing.T) {
	m := &manifest.Manifest{Artifacts: []manifest.Artifact{{Path: "1", Format: "ova"}, {Path: "2", Format: "raw.xz"}, {Path: "3", Format: "vmdk"}, {Path: "4", Format: "qcow2:zstd"}}}
	for format, want := range map[string]string{"": "4", "vmdk": "3", "raw.xz": "2", "qcow2:zstd": "4", "vhd": ""} {
		got := ""
		if a, err := choose(m, format); err == nil {
			got = a.Path
		}
		if got != want {
			t.Errorf("%q: artifact %q, want %q", format, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	earlier := []manifest.Test{{Artifact: "a", Firmware: "bios", Seconds: 1}, {Artifact: "a", Firmware: "uefi", Seconds: 2}, {Artifact: "b", Firmware: "bios", Seconds: 3}}
	got := merge(earlier, []manifest.Test{{Artifact: "a", Firmware: "bios", Seconds: 4}})
	want := []manifest.Test{earlier[1], earlier[2], {Artifact: "a", Firmware: "bios", Seconds: 4}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUsers(t *testing.T) {
	for _, tt := range []struct {
		image Image
		facts facts
		want  []string
	}{
		{Image{Name: "x", Smoke: manifest.Smoke{User: "me"}}, facts{System: "fedora"}, []string{"me"}},
		{Image{Name: "rocky-10"}, facts{}, []string{"rocky", "cloud-user"}},
		{Image{Name: "x"}, facts{System: "fedora", User: "core"}, []string{"core", "fedora"}},
		{Image{Name: "x"}, facts{}, []string{"fedora", "cloud-user", "debian"}},
	} {
		if diff := cmp.Diff(tt.want, users(&tt.image, tt.facts)); diff != "" {
			t.Errorf("%+v: %s", tt.facts, diff)
		}
	}
}

// A bundle appears whole in the place of an earlier one.
func TestBundle(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "logs", "smoke-bios")
	first := &Evidence{console: []byte("one"), journal: []byte("j"), screen: image.NewNRGBA(image.Rect(0, 0, 2, 2)), text: "t", command: "#!/bin/sh\n", seed: []byte("s")}
	if err := first.Write(folder, "x", exampleSuites[1].Test); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"console.log", "journal.log", "junit.xml", "qemu.sh", "qmp.json", "result.json", "screen.png", "screen.txt", "seed.iso"}, names(t, folder)); diff != "" {
		t.Error(diff)
	}
	if st, err := os.Stat(filepath.Join(folder, "qemu.sh")); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("the script: %v", err)
	}
	second := &Evidence{console: []byte("two"), state: map[string]json.RawMessage{"query-status": json.RawMessage(`{"status":"running"}`)}}
	if err := second.Write(folder, "x", exampleSuites[1].Test); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"console.log", "junit.xml", "qmp.json", "result.json"}, names(t, folder)); diff != "" {
		t.Error(diff)
	}
	if left := names(t, filepath.Dir(folder)); !slices.Equal(left, []string{"smoke-bios"}) {
		t.Errorf("beside it are %q", left)
	}
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
