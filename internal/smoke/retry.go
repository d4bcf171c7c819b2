package smoke

import (
	"errors"
	"fmt"
	"slices"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/qemu"
)

// computing are the faults that an emulator which computes wrongly brings about.
var computing = []string{"kernel-oops", "kernel-panic", "soft-lockup", "hung-task", "init-died"}

// maxLevel is the highest microarchitecture level that TCG offers, from QEMU 7.2 on.
const maxLevel = 3

// retry says whether what came of the attempt may be the emulator's doing: then on
// what machine to try again, and why. A fault that comes back there is the image's.
func (a *attempt) retry(err error) (again qemu.Machine, why string) {
	again = a.machine
	f, _ := errors.AsType[*Fault](err)
	tcg := a.machine.Accelerator == qemu.TCG
	switch {
	case !tcg && (a.emulatorFailed || f != nil && a.neverRan(f)):
		again.Accelerator = qemu.TCG
		return again, fmt.Sprintf("KVM did not run the guest (%v), now TCG", err)
	case f == nil && !a.emulatorFailed:
		return again, ""
	case f != nil && f.level > 0 && f.level <= maxLevel && (!tcg || f.level > a.machine.Level):
		again.Accelerator, again.Level = qemu.TCG, f.level // with KVM it is the host's processor that is too old
		return again, fmt.Sprintf("%s, which TCG now offers", f.Text)
	case tcg && !a.machine.SingleThread && (a.emulatorFailed || slices.Contains(computing, f.Code)):
		again.SingleThread, again.CPUs = true, 1
		return again, fmt.Sprintf("%v: to tell the emulator's fault from the image's, now with one processor on one thread", err)
	}
	return again, ""
}

// neverRan reports whether the guest did not even get through its firmware.
func (a *attempt) neverRan(f *Fault) bool {
	facts := a.console.Facts()
	return f.Code == "hang" && facts.Stage == "firmware" && !facts.Kernel && a.pulse.last.Reads == 0
}

// impatient are the faults that come of systemd's time limits for devices and
// services, which go by the clock however little a guest gets done.
var impatient = []string{"emergency", "boot-not-finished", "systemd"}

// tooBusy is not nil if a fault may be the host's: if time ran out for a guest
// that was kept waiting for a processor for a third of the time it wanted one. Then there is no verdict.
func tooBusy(f *Fault, v qemu.Vitals) error {
	if !slices.Contains(impatient, f.Code) || v.Starved <= v.Ran/2 {
		return nil
	}
	return hint.Wrap(fmt.Errorf("this machine is too busy to test it: the guest got a processor for %d %% of the time it wanted one, and then: %s", 100*v.Ran/(v.Ran+v.Starved), f.Text),
		"test it when less is going on, or fewer guests at a time with --jobs 1")
}
