package smoke

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/respin-project/respin/internal/qemu"
	"github.com/respin-project/respin/internal/report"
)

// Limits are how long a guest may do nothing new before it counts as stuck.
type limits struct {
	settle time.Duration // at rest after its login prompt: what does not work by then never will
	root   time.Duration // at rest while it says that it waits for its root device
	load   time.Duration // at rest or computing in the boot sector
	rest   time.Duration // at rest otherwise
	work   time.Duration // computing: processor time, so that a busy host does not count
}

// limitsOf are the limits for guests of an accelerator. What a guest waits for
// comes as late under TCG as with KVM; what it computes takes ten times as long.
func limitsOf(a qemu.Accelerator) limits {
	if a == qemu.KVM {
		return limits{settle: 6 * time.Second, root: 10 * time.Second, load: 5 * time.Second, rest: 30 * time.Second, work: 30 * time.Second}
	}
	return limits{settle: 10 * time.Second, root: 12 * time.Second, load: 10 * time.Second, rest: 40 * time.Second, work: 60 * time.Second}
}

// A pulse is how long a guest has done nothing new: written nothing to its
// console, and next to nothing to its disk, and read nothing from it.
type pulse struct {
	rest   time.Duration // of that, how long its processors have been idle without a break
	work   time.Duration // of that, how long its processors ran, all together
	last   qemu.Vitals
	spoken int64
}

// idle is the share of a processor that an idle guest may take; under TCG it takes one or two in a hundred.
const idle = 0.2

// trickle is what a guest at rest may write to its disk in a second, in bytes: every
// few seconds its kernel writes what has changed in memory long before.
const trickle = 512 << 10

// beat takes what has changed in the time dt. However long that is, as after
// the host was suspended, it is not evidence for more than two seconds.
func (p *pulse) beat(v qemu.Vitals, spoken int64, dt time.Duration) {
	dt = min(dt, 2*time.Second)
	ran, starved := max(v.Ran-p.last.Ran, 0), max(v.Starved-p.last.Starved, 0)
	moved := v.Reads != p.last.Reads || v.Written-p.last.Written > trickle || spoken != p.spoken
	p.last, p.spoken = v, spoken
	if moved {
		p.rest, p.work = 0, 0
		return
	}
	p.work += ran
	if ran+starved < time.Duration(idle*float64(dt)) {
		p.rest += dt
	} else {
		p.rest = 0
	}
}

// A door is what the guest's SSH port was last seen to be.
type door int

const (
	doorUnknown door = iota
	doorSilent       // nobody answers: the guest is not on the network
	doorClosed       // the connection is closed at once: nothing listens
	doorGuarded      // there is an SSH server, and not all users have been tried yet
	doorLocked       // the SSH server refuses the key for all of them
	doorOpen         // logged in
)

// judge says what is wrong with a guest that has come to rest or does not get anywhere; nil
// if it may still come good.
func (l limits) judge(p pulse, f facts, d door, user string) *Fault {
	if d == doorOpen {
		return nil
	}
	if (d == doorLocked || !f.Prompt.IsZero() && d != doorGuarded) && p.rest >= l.settle {
		return stranded(f, d, user)
	}
	if f.Initrd && f.Waiting != "" && p.rest >= l.root && rootDevice.MatchString(f.Waiting) {
		return faultf("root-not-found", "the initrd waits in vain for its root file system: %s", f.Waiting)
	}
	if f.Stage == bootLoader && p.last.Reads <= bootReads && max(p.rest, p.work) >= l.load {
		return faultf("boot-loader", "the boot sector starts nothing: the disk was read %d times", p.last.Reads)
	}
	where := fmt.Sprintf("at %q", f.Stage)
	if !f.Kernel {
		where += ", its console silent since the boot loader"
	}
	switch {
	case p.rest >= l.rest && f.Waiting != "":
		return faultf("hang", "the guest waits for %s and does nothing for %s", f.Waiting, report.Seconds(p.rest))
	case p.rest >= l.rest:
		return faultf("hang", "the guest stands still for %s %s", report.Seconds(p.rest), where)
	case p.work >= l.work:
		return faultf("hang", "the guest computed for %s without a sign of progress %s", report.Seconds(p.work), where)
	}
	return nil
}

// bootReads is how often a disk was read by a boot sector that went astray, and at the most by its
// second stage. To load a kernel takes hundreds.
const bootReads = 16

// rootDevice is what a system in its initrd waits for if it is the root file system.
var rootDevice = regexp.MustCompile(`/dev/|dev-|root|sysroot`)

// stranded says why nobody can log into a guest that is up and at rest.
func stranded(f facts, d door, user string) *Fault {
	switch {
	case d == doorClosed:
		return faultf("sshd-off", "the guest is up and nothing listens at its SSH port")
	case d == doorLocked && !f.CloudInit && f.Kernel:
		return faultf("cloud-init-off", "cloud-init did not run: it wrote nothing to the console, and SSH refuses the key for %s", user)
	case d == doorSilent && !f.CloudInit && f.System != "": // that would have set the network up
		return faultf("cloud-init-off", "cloud-init did not run: it wrote nothing to the console, and the guest does not answer at its SSH port")
	case d == doorLocked:
		return faultf("key-refused", "SSH refuses the key of the seed for %s", user)
	}
	return faultf("no-network", "the guest is up and does not answer at its SSH port")
}

// watch follows the guest's pulse until ctx ends and reports what is wrong with it.
func (a *attempt) watch(ctx context.Context) {
	var p pulse
	last := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		v, err := a.guest.Vitals(ctx)
		if err != nil {
			return // QEMU has ended; who waits for that sees it
		}
		if f := a.console.Facts(); !f.Kernel {
			if text, err := a.guest.Text(ctx); err == nil {
				a.console.Screen(text)
			}
		}
		now := time.Now()
		p.beat(v, a.console.Progress(), now.Sub(last))
		last = now
		if v.Written > maxWritten {
			a.stop(faultf("disk-limit", "the guest wrote more than %s to its disk", report.Size(maxWritten)))
		}
		a.setPulse(p)
		door, user := a.door()
		if f := a.limits.judge(p, a.console.Facts(), door, user); f != nil {
			a.stop(f)
		}
	}
}

// maxWritten bounds the temporary file that holds what a guest writes: bytes.
const maxWritten = 16 << 30
