package qemu

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/pending"
)

// An Accelerator runs the guest's instructions.
type Accelerator string

const (
	KVM Accelerator = "kvm" // the processor itself
	TCG Accelerator = "tcg" // QEMU's translator: works everywhere, ten times slower
)

// probeLimit is how long the tiny guest of the probe may take; with a KVM that
// is worth having it needs a quarter of a second.
const probeLimit = 5 * time.Second

const kvmDevice = "/dev/kvm"

// Accelerator finds out what runs the emulator's guests best: KVM if it really
// does run one, else TCG, and then the reason why. /dev/kvm may be there, open,
// and still not run anything, as in a virtual machine on some clouds, so a tiny
// guest is run. What came of it is kept in the folder cache, unless that
// is empty, until the machine boots anew or QEMU changes.
func (e Emulator) Accelerator(ctx context.Context, cache string) (accelerator Accelerator, reason string) {
	if !e.native() {
		return TCG, "the guest's architecture is not this machine's"
	}
	f, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return TCG, "there is no " + kvmDevice
	case errors.Is(err, fs.ErrPermission):
		return TCG, "no permission to open " + kvmDevice + " (it may need you in the group kvm)"
	case err != nil:
		return TCG, err.Error()
	}
	f.Close()

	note := e.probeNote()
	if !note.read(cache) {
		note.Failure = e.probe(ctx)
		if ctx.Err() == nil {
			note.write(cache)
		}
	}
	if note.Failure != "" {
		return TCG, "KVM is there but does not run a guest: " + note.Failure
	}
	return KVM, ""
}

// probe runs a guest that leaves QEMU with an exit code of its own. It returns
// what went wrong, empty if nothing did.
func (e Emulator) probe(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	code, args, want := bootSector(), []string{"-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-drive", "if=none,id=disk,format=raw,readonly=on,file=/proc/self/fd/3", "-device", "virtio-blk-pci,drive=disk"}, probeExit<<1|1
	if e.Arch == "aarch64" {
		code, args, want = powerOff(), []string{"-kernel", "/proc/self/fd/3", "-no-reboot"}, 0
	}
	f, err := memory("probe", code)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	args = append([]string{"-nodefaults", "-no-user-config", "-display", "none", "-machine", e.machine(), "-accel", "kvm", "-cpu", "host", "-m", "64"}, args...)
	p, err := launch(e.Path, args, f)
	if err != nil {
		return err.Error()
	}
	select {
	case <-ctx.Done():
		p.kill()
		return fmt.Sprintf("a guest of a few instructions did not end within %v", probeLimit)
	case <-p.done:
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); (ok && exit.ExitCode() == want) || (p.err == nil && want == 0) {
		return ""
	}
	return fmt.Sprintf("QEMU ended with %v: %s", p.err, p.says(e.Path))
}

const probeExit = 0x10

// bootSector is a disk whose boot sector counts down from 2^26 and leaves QEMU. To get
// there the firmware went through the processor's modes and used a disk. The
// count is nothing to a processor and too much for a KVM that interprets
// every instruction.
func bootSector() []byte {
	disk := make([]byte, 1<<20) // a smaller one has no geometry for the BIOS
	copy(disk, []byte{
		0x66, 0xb9, 0x00, 0x00, 0x00, 0x04, // mov ecx, 0x04000000
		0x66, 0x49, // count: dec ecx
		0x75, 0xfc, // jnz count
		0xb0, probeExit, // mov al, probeExit
		0xe6, 0xf4, // out 0xf4, al
		0xf4, // hlt
	})
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}

// powerOff is a kernel that switches its machine off through PSCI 0.2.
func powerOff() []byte {
	var code []byte
	for _, instruction := range []uint32{
		0x52b08000, // movz w0, #0x8400, lsl #16
		0x72800100, // movk w0, #0x0008: SYSTEM_OFF
		0xd4000002, // hvc #0
		0x14000000, // b .
	} {
		code = binary.LittleEndian.AppendUint32(code, instruction)
	}
	return code
}

// A note is what a probe found and what that depends on.
type note struct {
	Boot     string    `json:"boot"` // the kernel's boot id
	Emulator string    `json:"emulator"`
	Modified time.Time `json:"modified"` // the emulator's file
	Failure  string    `json:"failure"`
}

func (e Emulator) probeNote() note {
	n := note{Emulator: e.Path}
	if text, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		n.Boot = strings.TrimSpace(string(text))
	}
	if st, err := os.Stat(e.Path); err == nil {
		n.Modified = st.ModTime().UTC()
	}
	return n
}

const noteName = "kvm.json"

// read takes Failure from the note kept in folder, if it depends on the same things.
func (n *note) read(folder string) bool {
	var kept note
	text, err := os.ReadFile(filepath.Join(folder, noteName))
	if err != nil || folder == "" || json.Unmarshal(text, &kept) != nil {
		return false
	}
	n.Failure = kept.Failure
	return n.Boot != "" && kept == *n
}

// write keeps the note. Where that fails the next run will probe again.
func (n *note) write(folder string) {
	if folder == "" || os.MkdirAll(folder, 0o700) != nil {
		return
	}
	if text, err := json.Marshal(n); err == nil {
		pending.WriteFile(filepath.Join(folder, noteName), text, 0o600)
	}
}
