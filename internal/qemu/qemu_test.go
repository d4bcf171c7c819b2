package qemu

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestArgs(t *testing.T) {
	x86 := Emulator{Path: "/usr/bin/qemu-system-x86_64", Arch: "x86_64"}
	arm := Emulator{Path: "/usr/bin/qemu-system-aarch64", Arch: "aarch64"}
	uefi := &Firmware{Code: Flash{"/fw/code.fd", "raw"}, Variables: Flash{"/fw/vars.qcow2", "qcow2"}}
	for name, m := range map[string]Machine{
		"bios-tcg":    {Emulator: x86, Accelerator: TCG, CPUs: 1, Memory: 1 << 30, Disk: Disk{"/a,b/it's.qcow2", "qcow2", 0}},
		"uefi-kvm":    {Emulator: x86, Accelerator: KVM, CPUs: 4, Memory: 2 << 30, Firmware: uefi, Disk: Disk{"/d.raw", "raw", 0}},
		"level3":      {Emulator: x86, Accelerator: TCG, SingleThread: true, Level: 3, CPUs: 1, Memory: 1 << 30, Disk: Disk{"/d.vhd", "vpc", 0}},
		"aarch64-tcg": {Emulator: arm, Accelerator: TCG, CPUs: 2, Memory: 1 << 30, Firmware: uefi, Disk: Disk{"/d.raw", "raw", 0}},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".golden", strings.ReplaceAll(m.CommandLine("seed.iso"), " -", " \\\n -")+"\n")
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// A shell reads what is quoted as it was.
func TestQuote(t *testing.T) {
	words := []string{"", "plain", "a b", "it's", `back\slash`, "$HOME", "new\nline", "file=/x,format=raw", "*", `"`}
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, quote(w))
	}
	out, err := exec.Command("sh", "-c", `printf '%s\0' `+strings.Join(quoted, " ")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(words, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")); diff != "" {
		t.Error(diff)
	}
}

func TestDescribedFirmware(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	vars := write("vars.fd", "")
	describe := func(code, arch, machine, features, more string) string {
		return `{"interface-types":["uefi"],"mapping":{"device":"flash","executable":{"filename":"` + code + `","format":"raw"},` +
			`"nvram-template":{"filename":"` + vars + `","format":"raw"}` + more + `},` +
			`"targets":[{"architecture":"` + arch + `","machines":["` + machine + `"]}],"features":[` + features + `]}`
	}
	good, local := write("good.fd", ""), write("local.fd", "")
	write("usr/10-missing.json", describe("/nowhere/code.fd", "x86_64", "pc-q35-*", "", ""))
	write("usr/20-secure.json", describe(good, "x86_64", "pc-q35-*", `"requires-smm","secure-boot"`, ""))
	write("usr/30-other.json", describe(good, "aarch64", "virt-*", "", ""))
	write("usr/40-microvm.json", describe(good, "x86_64", "microvm", "", ""))
	write("usr/50-stateless.json", describe(good, "x86_64", "pc-q35-*", "", `,"mode":"stateless"`))
	write("usr/55-broken.json", "{")
	write("usr/60-good.json", describe(good, "x86_64", "pc-q35-*", `"acpi-s3"`, ""))
	usr := filepath.Join(dir, "usr")
	if f := describedFirmware([]string{usr}, "x86_64"); f == nil || f.Code.Path != good || f.Variables.Path != vars {
		t.Errorf("x86_64: %+v", f)
	}
	if f := describedFirmware([]string{usr}, "aarch64"); f == nil || f.Code.Path != good {
		t.Errorf("aarch64: %+v", f)
	}
	if f := describedFirmware([]string{filepath.Join(dir, "none")}, "x86_64"); f != nil {
		t.Errorf("nothing described: %+v", f)
	}
	write("etc/60-good.json", describe(local, "x86_64", "pc-q35-*", "", ""))
	if f := describedFirmware([]string{filepath.Join(dir, "etc"), usr}, "x86_64"); f == nil || f.Code.Path != local {
		t.Errorf("the administrator's description does not replace the distribution's: %+v", f)
	}
}

func TestFindSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Find("aarch64")
	if err == nil || !strings.Contains(err.Error(), "qemu-system-aarch64 is not installed") {
		t.Errorf("error is %v", err)
	}
	if _, err := Find("s390x"); err == nil || !strings.Contains(err.Error(), `architecture "s390x" are not supported`) {
		t.Errorf("error is %v", err)
	}
}
