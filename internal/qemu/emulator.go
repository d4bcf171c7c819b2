package qemu

import (
	"fmt"
	"os/exec"
	"runtime"

	"github.com/respin-project/respin/internal/hint"
)

// An Emulator is a QEMU for one architecture.
type Emulator struct {
	Path string
	Arch string // as RPM names it: "x86_64", "aarch64"
}

// platform is what differs between the architectures.
type platform struct {
	goarch   string
	machine  string
	without  string // further options of the machine, for what no guest has use for
	display  []string
	debian   string // the packages that bring the emulator and its UEFI firmware
	fedora   string
	firmware [2]string // of Debian and Fedora
}

var platforms = map[string]platform{
	"x86_64": {
		goarch: "amd64", machine: "q35", without: ",sata=off", display: []string{"-vga", "std"},
		debian: "qemu-system-x86", fedora: "qemu-system-x86-core", firmware: [2]string{"ovmf", "edk2-ovmf"},
	},
	"aarch64": {
		goarch: "arm64", machine: "virt", display: []string{"-device", "virtio-gpu-pci"},
		debian: "qemu-system-arm", fedora: "qemu-system-aarch64-core", firmware: [2]string{"qemu-efi-aarch64", "edk2-aarch64"},
	},
}

func (e Emulator) machine() string   { return platforms[e.Arch].machine }
func (e Emulator) without() string   { return platforms[e.Arch].without }
func (e Emulator) display() []string { return platforms[e.Arch].display }

// BIOS reports whether the emulated machines have a BIOS to boot with.
func (e Emulator) BIOS() bool { return e.Arch == "x86_64" }

// Console is the name that Linux gives to the machines' serial port.
func (e Emulator) Console() string {
	if e.Arch == "x86_64" {
		return "ttyS0"
	}
	return "ttyAMA0"
}

// native reports whether the guests' processor is of the host's kind.
func (e Emulator) native() bool { return platforms[e.Arch].goarch == runtime.GOARCH }

// Find returns the emulator of an architecture, named as RPM does.
func Find(arch string) (Emulator, error) {
	p, ok := platforms[arch]
	if !ok {
		return Emulator{}, fmt.Errorf("guests of architecture %q are not supported: only x86_64 and aarch64 are", arch)
	}
	names := []string{"qemu-system-" + arch}
	if p.goarch == runtime.GOARCH {
		names = append(names, "qemu-kvm", "/usr/libexec/qemu-kvm")
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return Emulator{Path: path, Arch: arch}, nil
		}
	}
	return Emulator{}, hint.Wrap(fmt.Errorf("looking for QEMU: %s is not installed", names[0]),
		"install it: apt install %s on Debian and Ubuntu, dnf install %s on Fedora", p.debian, p.fedora)
}
