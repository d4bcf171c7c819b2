package smoke

import "fmt"

// A Fault is why an image does not pass: it did not boot, could not be logged
// into, or failed a check.
type Fault struct {
	Code string // the cause's name: a key of Causes, or the name of a check or test
	Text string // what happened, in a sentence without a full stop

	level int // microarchitecture level that the guest asked for, 0 if it did not
}

func (f *Fault) Error() string { return f.Text }

// Causes are the faults other than failed checks, and what they mean.
// A spec can have one passed over by its name, as it can a check.
var Causes = map[string]string{
	"unreadable":        "QEMU cannot open the artifact as the format it is said to be",
	"boot-loader":       "the firmware finds no boot loader, or the boot loader finds no kernel",
	"root-not-found":    "the root file system is not there or cannot be mounted",
	"no-init":           "the root file system holds no init that runs",
	"init-died":         "init ended, and the kernel with it",
	"kernel-panic":      "the kernel stopped itself for another reason",
	"kernel-oops":       "the kernel hit a bug and went on",
	"soft-lockup":       "a processor was stuck in the kernel",
	"hung-task":         "a process was stuck in the kernel",
	"cpu-level":         "the image needs a newer processor than QEMU can offer",
	"out-of-memory":     "the guest's memory did not suffice and a process was killed",
	"disk-full":         "a file system of the guest ran full",
	"disk-error":        "a file system or the disk is damaged",
	"emergency":         "the boot ended in an emergency or rescue shell",
	"systemd-frozen":    "systemd gave up",
	"ordering-cycle":    "systemd had to leave out a unit to break a cycle",
	"selinux-policy":    "the SELinux policy could not be loaded",
	"reset-loop":        "the guest starts over and over again",
	"powered-off":       "the guest switched itself off",
	"sshd-off":          "the guest is up and nothing answers at its SSH port",
	"no-network":        "the guest is up and not on the network",
	"cloud-init-off":    "the guest is up and cloud-init did not run, so that nobody can log in",
	"key-refused":       "the guest is up, cloud-init ran, and SSH still refuses the key",
	"hang":              "the guest stands still, or computes without end",
	"boot-not-finished": "the guest can be logged into but its boot never ends",
	"disk-limit":        "the guest wrote more than a test has use for",
	"timeout":           "the whole test took too long",
}

func faultf(code, format string, args ...any) *Fault {
	return &Fault{Code: code, Text: fmt.Sprintf(format, args...)}
}
