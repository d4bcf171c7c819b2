package smoke

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/qemu"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/seed"
	"golang.org/x/crypto/ssh"
)

// An attempt is one power-on of an image.
type attempt struct {
	image   *Image
	machine qemu.Machine
	key     ssh.Signer
	task    *report.Task
	limits  limits

	seed           seed.Seed
	guest          *qemu.Guest
	console        *console
	shell          *shell                  // nil until somebody has logged in
	stop           context.CancelCauseFunc // ends the attempt with a *Fault or another error
	results        []manifest.Result
	seconds        float64 // from power-on to the verdict
	evidence       *Evidence
	emulatorFailed bool // QEMU ended by itself or stopped the guest

	mu        sync.Mutex
	pulse     pulse
	doorState door
	doorUser  string
}

func (a *attempt) setPulse(p pulse) { a.mu.Lock(); a.pulse = p; a.mu.Unlock() }

func (a *attempt) resting() time.Duration { a.mu.Lock(); defer a.mu.Unlock(); return a.pulse.rest }

func (a *attempt) setDoor(d door, user string) {
	a.mu.Lock()
	a.doorState, a.doorUser = d, user
	a.mu.Unlock()
}

func (a *attempt) door() (door, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.doorState, a.doorUser
}

// run boots the image and tests it. The error is a *Fault if the image is at fault.
func (a *attempt) run(parent context.Context) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	a.stop = func(cause error) {
		if f, ok := errors.AsType[*Fault](cause); !ok || !a.skips(f.Code) {
			stop(cause)
		}
	}
	a.seed = newSeed(a.key)
	a.machine.Seed = a.seed.Image()
	began := time.Now()
	guest, err := a.machine.Start(ctx)
	if disk, ok := errors.AsType[*qemu.DiskError](err); ok {
		f := &Fault{Code: "unreadable", Text: disk.Error()}
		a.booted(began, f, "")
		return f
	} else if err != nil {
		return a.startFailure(parent, err)
	}
	a.guest = guest
	a.console = newConsole(func(f *Fault) { a.stop(f) }, a.task.Doing)
	var watchers sync.WaitGroup
	watchers.Go(func() { io.Copy(a.console, guest.Serial) })
	watchers.Go(func() { a.listen(ctx) })
	watchers.Go(func() { a.watch(ctx) })
	defer func() {
		stop(nil)
		a.shell.close()
		guest.Close()
		watchers.Wait()
	}()

	err = a.test(ctx, began)
	a.seconds = seconds(time.Since(began))
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, errTimeout) {
		err = faultf("timeout", "the test took longer than allowed; the guest was last seen at %q", a.console.Facts().Stage)
	} else if parent.Err() != nil {
		return context.Cause(parent)
	}
	if err != nil {
		if a.shell == nil {
			a.booted(began, err, "")
		}
		a.collect(context.WithoutCancel(parent))
	}
	return err
}

// startFailure is the error for a QEMU that did not get as far as running a guest.
func (a *attempt) startFailure(parent context.Context, err error) error {
	if parent.Err() != nil {
		return context.Cause(parent)
	}
	a.emulatorFailed = a.machine.Accelerator == qemu.KVM
	return err
}

// test logs in and runs the checks.
func (a *attempt) test(ctx context.Context, began time.Time) error {
	sh, err := a.login(ctx, a.key)
	if err != nil {
		return err
	}
	a.shell = sh
	a.booted(began, nil, sh.user+" logged in with the key of the seed")
	return a.examine(ctx)
}

// booted records how the way to the login ended, which is the first result of every test.
func (a *attempt) booted(began time.Time, err error, message string) {
	r := manifest.Result{Name: "boot", Severity: "error", Outcome: "passed", Message: message, Seconds: seconds(time.Since(began))}
	if err != nil {
		r.Outcome, r.Message = "failed", err.Error()
	}
	a.results = append(a.results, r)
}

// describe names the machine: the emulator's version and how it was set up.
func (a *attempt) describe() string {
	version := "QEMU"
	if a.guest != nil {
		version += " " + a.guest.Version
	}
	return version + " " + a.machine.String()
}

// maxResets is how often a guest may start anew before it counts as a loop. First boots that
// relabel, or change the kernel's command line, do it once.
const maxResets = 3

// listen follows what QEMU tells until it ends.
func (a *attempt) listen(ctx context.Context) {
	resets := 0
	for e := range a.guest.Events() {
		var data struct {
			Guest   bool   `json:"guest"`
			Reason  string `json:"reason"`
			Device  string `json:"device"`
			NoSpace bool   `json:"nospace"`
		}
		json.Unmarshal(e.Data, &data) // what is missing stays empty
		switch e.Name {
		case "RESET":
			a.console.Restart()
			if resets++; resets >= maxResets {
				a.stop(faultf("reset-loop", "the guest started anew %d times", resets))
			}
		case "SHUTDOWN":
			a.stop(faultf("powered-off", "the guest switched itself off (%s)", data.Reason))
		case "GUEST_PANICKED":
			// The console has the reason, if there is one that is heard; it is on its way.
			time.AfterFunc(2*time.Second, func() { a.stop(faultf("kernel-panic", "kernel panic: the console does not say why")) })
		case "BLOCK_IO_ERROR":
			if data.NoSpace {
				a.stop(errors.New("the temporary folder ran full while the guest wrote to its disk"))
			}
		case "STOP":
			if a.guest.Status(ctx) == "internal-error" {
				a.emulatorFailed = true
				a.stop(errors.New("QEMU could not go on running the guest (internal error)"))
			}
		}
	}
	if ctx.Err() == nil {
		a.emulatorFailed = true
		a.stop(a.guest.Err())
	}
}
