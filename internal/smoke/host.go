package smoke

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/qemu"
)

// A host is what this machine runs the guests of one architecture with.
type host struct {
	emulator    qemu.Emulator
	accelerator qemu.Accelerator
	err         error
}

// host finds the emulator for an architecture, once.
func (t *Tester) host(ctx context.Context, arch string) (*host, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.hosts[arch]
	if !ok {
		h = &host{accelerator: t.Accelerator}
		if h.emulator, h.err = qemu.Find(arch); h.err == nil && h.accelerator == "" {
			var reason string
			if h.accelerator, reason = h.emulator.Accelerator(ctx, t.Cache); reason != "" {
				t.Report.Printf("using TCG, which is slow: %s", reason)
			}
		}
		if t.hosts == nil {
			t.hosts = map[string]*host{}
		}
		t.hosts[arch] = h
	}
	return h, h.err
}

// machine is the one that the image is booted on first.
func (t *Tester) machine(h *host, image *Image, firmware string) (qemu.Machine, error) {
	m := qemu.Machine{Emulator: h.emulator, Accelerator: h.accelerator, CPUs: t.CPUs, Memory: t.Memory}
	if m.CPUs == 0 {
		m.CPUs = 2
		if m.Accelerator == qemu.TCG {
			// A second processor does not make a boot faster there; and two of
			// them, each on a thread, are what TCG makes mistakes with.
			m.CPUs = 1
		}
	}
	if m.Memory == 0 {
		m.Memory = max(image.Smoke.Memory, 0)
	}
	if m.Memory == 0 {
		m.Memory = defaultMemory
	}
	switch firmware {
	case "bios":
		if !h.emulator.BIOS() {
			return m, fmt.Errorf("%s has no BIOS: its firmware is uefi", h.emulator.Arch)
		}
		return m, nil
	case "uefi":
		var err error
		m.Firmware, err = h.emulator.UEFI()
		return m, err
	}
	return m, hint.Wrap(fmt.Errorf("unknown firmware %q", firmware), "it can be bios or uefi")
}

// defaultMemory is a guest's memory, in bytes: twice what the smallest instances of clouds have.
const defaultMemory = 2 << 30

// firmwares are the firmwares that an image is to be booted under.
func (t *Tester) firmwares(h *host, image *Image) []string {
	switch {
	case len(t.Firmware) > 0:
		return t.Firmware
	case len(image.Smoke.Firmware) > 0:
		return image.Smoke.Firmware
	case !h.emulator.BIOS():
		return []string{"uefi"}
	}
	return []string{"bios", "uefi"}
}

// acquire waits until one guest more may run, and returns what ends its turn.
func (t *Tester) acquire(ctx context.Context, m qemu.Machine) (release func(), err error) {
	t.mu.Lock()
	if t.slots == nil {
		jobs := t.Jobs
		if jobs == 0 {
			jobs = carries(m)
		}
		t.slots = make(chan struct{}, jobs)
	}
	t.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case t.slots <- struct{}{}:
		return func() { <-t.slots }, nil
	}
}

// overhead is what QEMU takes beside the guest's memory, in bytes.
const overhead = 256 << 20

// carries is how many machines like m this one carries.
func carries(m qemu.Machine) int {
	return int(max(1, min(int64(runtime.NumCPU()/m.CPUs), available()/(m.Memory+overhead))))
}

// available is how many bytes of memory programs can still take.
func available() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if text, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			fmt.Sscan(text, &kib) // what cannot be read is 0
			return kib << 10
		}
	}
	return 0
}
