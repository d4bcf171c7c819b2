// Package qemu runs virtual machines for as long as a test needs them.
//
// A [Machine] says what there is to run, [Machine.Start] runs it as a [Guest].
// The guest's disk file is never written to: what the guest writes goes to a
// temporary file that has no name. Nor does a guest leave anything else
// behind, however this process ends: its QEMU dies with it, and what QEMU is
// handed are open files.
//
// It speaks QMP, QEMU's machine protocol:
// https://www.qemu.org/docs/master/interop/qmp-spec.html. QEMU 6.0 is the
// oldest that will do.
package qemu

import (
	"fmt"
	"strings"
)

// A Machine is a computer to be.
type Machine struct {
	Emulator     Emulator
	Accelerator  Accelerator
	SingleThread bool      // TCG: all processors on one thread of the host
	Level        int       // TCG on x86_64: the microarchitecture level (x86-64-v1 to v3) that the guest is offered; 0 is 1
	CPUs         int       // processors
	Memory       int64     // bytes
	Firmware     *Firmware // UEFI; nil is the machine's BIOS
	Disk         Disk
	Seed         []byte // a second disk, read-only
}

// Disk is the file that a machine boots from.
type Disk struct {
	Path   string
	Format string // as QEMU names its block drivers: "raw", "qcow2", "vmdk", "vpc"
	Grow   int64  // bytes that the guest's disk is larger than the file's
}

// files are what a machine has on the host, by paths.
type files struct {
	overlay   string // qcow2, gets what is written to the disk; without it QEMU makes one
	variables string // copy of the firmware's variables; without it QEMU makes an overlay
	seed      string // the second disk; empty if there is none
}

// args is the command line of QEMU without the program's name; wiring says
// where "serial" leads.
func (m Machine) args(have files, wiring ...string) []string {
	a := []string{"-nodefaults", "-no-user-config", "-display", "none"}
	add := func(args ...string) { a = append(a, args...) }
	add("-machine", m.Emulator.machine()+m.Emulator.without(), "-accel", m.accel(), "-cpu", m.cpu())
	add("-smp", fmt.Sprint(m.CPUs), "-m", fmt.Sprint(m.Memory>>20))
	// A kernel that panics is to finish its last words, and a machine that has
	// been switched off is to stay for its screen to be looked at.
	add("-action", "panic=none,shutdown=pause", "-device", "pvpanic-pci")
	add(m.Emulator.display()...)
	if f := m.Firmware; f != nil {
		add("-drive", drive("if=pflash", "unit=0", "readonly=on", "format="+f.Code.Format, "file="+f.Code.Path))
		variables := []string{"snapshot=on", "format=" + f.Variables.Format, "file=" + f.Variables.Path}
		if have.variables != "" {
			variables = []string{"format=" + f.Variables.Format, "file=" + have.variables}
		}
		add("-drive", drive(append([]string{"if=pflash", "unit=1"}, variables...)...))
	}
	disk := []string{"snapshot=on", "format=" + m.Disk.Format, "file=" + m.Disk.Path}
	if have.overlay != "" {
		disk = []string{"cache=unsafe", "format=qcow2", "file=" + have.overlay, "backing.driver=" + m.Disk.Format, backingFile + m.Disk.Path}
	}
	add("-drive", drive(append([]string{"if=none", "id=disk", "discard=unmap"}, disk...)...))
	add("-device", "virtio-blk-pci,drive=disk,bootindex=0")
	if have.seed != "" {
		add("-drive", drive("if=none", "id=seed", "readonly=on", "format=raw", "file="+have.seed))
		add("-device", "virtio-blk-pci,drive=seed")
	}
	// The host's kernel chooses the port, so that no other program can be in the way.
	add("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22")
	add("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci")
	add("-serial", "chardev:serial")
	return append(a, wiring...)
}

// backingFile is the last option of the disk's drive, which QEMU repeats where it cannot read the file.
const backingFile = "backing.file.filename="

// drive joins the options of a drive; a comma in a value is written twice.
func drive(options ...string) string {
	for i, o := range options {
		options[i] = strings.ReplaceAll(o, ",", ",,")
	}
	return strings.Join(options, ",")
}

// String says how the machine is set up, in a word each.
func (m Machine) String() string {
	return fmt.Sprintf("%s %s %s %d × %d MiB", m.Emulator.machine(), m.accel(), m.model(), m.CPUs, m.Memory>>20)
}

func (m Machine) accel() string {
	switch {
	case m.Accelerator == KVM:
		return "kvm"
	case m.SingleThread:
		return "tcg,thread=single"
	}
	return "tcg,thread=multi"
}

// What the levels of x86-64 make of qemu64, the model that TCG runs fastest. The
// model has cmpxchg16b, which is of level 2 only and which QEMU 7.2 gets wrong now
// and then: kernels that allocate memory with it (6.12) crash or stand still.
// Without svm guests do not load KVM, which they would have no use for.
const (
	level1 = ",-svm,-cx16"
	level2 = ",-svm,+ssse3,+sse4.1,+sse4.2,+popcnt,+lahf_lm"
	level3 = level2 + ",+xsave,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+abm,+movbe"
)

// cpu is the processor and what it is made to offer beyond its model.
func (m Machine) cpu() string {
	if m.Accelerator == TCG && m.Emulator.Arch == "x86_64" {
		return m.model() + [...]string{level1, level1, level2, level3}[m.Level]
	}
	return m.model()
}

// model is the processor's model.
func (m Machine) model() string {
	switch {
	case m.Accelerator == KVM:
		return "host"
	case m.Emulator.Arch == "x86_64":
		return "qemu64"
	}
	return "max"
}

// CommandLine is a command for a shell that runs the machine on a terminal,
// with the seed in the file named. Its disk is not grown.
func (m Machine) CommandLine(seed string) string {
	words := append([]string{m.Emulator.Path}, m.args(files{seed: seed}, "-chardev", "stdio,id=serial,mux=on,signal=off", "-mon", "chardev=serial")...)
	for i, word := range words {
		words[i] = quote(word)
	}
	return strings.Join(words, " ")
}

// quote writes a word so that a shell reads it as it is.
func quote(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_=,.:/+@%", c)
	}
	if word != "" && strings.IndexFunc(word, func(c rune) bool { return !plain(c) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
