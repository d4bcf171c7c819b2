// Package smoke boots an image in a virtual machine, tests it over SSH and says
// whether it is good, and if not, why.
//
// A good image passes, every time; a broken one fails in seconds with the
// cause named. Three things are watched for that while a guest boots: what
// it writes to its console (package-internal type console, with the rules in
// rules.go), whether it gets anywhere at all (pulse), and what QEMU says about
// it. Then come the checks, one a file or a table row, and the tests of the spec.
package smoke

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/qemu"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/seed"
	"golang.org/x/crypto/ssh"
)

// An Image is what there is to test.
type Image struct {
	Name      string         // in messages
	Path      string         // of the disk
	Format    string         // of the disk, as QEMU names it
	Smoke     manifest.Smoke // what the spec says about testing it
	Kickstart string         // text of the kickstart that it was made from; empty if not known
	Packages  int            // in its RPM database; 0 if not known
	Level     int            // x86-64 microarchitecture level that it needs; 0 if not known
}

// A Tester tests images. Its methods may be called from several goroutines.
type Tester struct {
	Emulator    qemu.Emulator
	Accelerator qemu.Accelerator
	CPUs        int
	Memory      int64 // bytes
	Timeout     time.Duration
	Report      *report.Report
}

// maxRetries bounds how often an image is booted again because of the emulator.
const maxRetries = 3

// Test boots the image under the firmware, nil being the BIOS, and tests it.
// The error is for an image that could not be tested. Evidence is nil if the image passed.
func (t *Tester) Test(ctx context.Context, image *Image, firmware *qemu.Firmware) (manifest.Test, *Evidence, error) {
	result := manifest.Test{Firmware: "bios", Results: []manifest.Result{}}
	if firmware != nil {
		result.Firmware = "uefi"
	}
	task := t.Report.Task(fmt.Sprintf("%s (%s)", image.Name, result.Firmware), 0, report.Items)
	defer task.Drop()
	key, err := newKey()
	if err != nil {
		return result, nil, err
	}
	machine := qemu.Machine{
		Emulator: t.Emulator, Accelerator: t.Accelerator, Level: image.Level, CPUs: t.CPUs, Memory: t.Memory, Firmware: firmware,
		Disk: qemu.Disk{Path: image.Path, Format: image.Format, Grow: grow},
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.Timeout, errTimeout)
	defer cancel()
	for {
		a := &attempt{image: image, machine: machine, key: key, task: task, limits: limitsOf(machine.Accelerator)}
		began := time.Now()
		err := a.run(ctx)
		result.Seconds = seconds(time.Since(began))
		result.Accelerator, result.Machine = string(machine.Accelerator), a.describe()
		result.Results = a.results
		fault, ok := errors.AsType[*Fault](err)
		if err != nil && !ok && !a.emulatorFailed {
			return result, nil, err
		}
		again, why := a.retry(err)
		if why != "" && len(result.Retries) < maxRetries {
			machine = again
			result.Retries = append(result.Retries, why)
			t.Report.Printf("%s (%s): booting again: %s", image.Name, result.Firmware, why)
			continue
		}
		if fault == nil && err != nil {
			return result, nil, err
		}
		if fault == nil {
			result.Passed = true
			task.Done()
			return result, nil, nil
		}
		result.Code, result.Cause = fault.Code, fault.Text
		return result, a.evidence, nil
	}
}

var errTimeout = errors.New("the time for the test is over")

// grow is how much larger than the image the guest's disk is, in bytes, so
// that it can be seen whether the image makes use of a larger disk.
const grow = 2 << 30

// seconds is d with a precision that means something.
func seconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Millisecond)) / float64(time.Second)
}

// newKey makes the key pair of one test. It is kept nowhere.
func newKey() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return ssh.NewSignerFromSigner(private)
}

// newSeed is what tells a guest about key. Its names are new ones each time, so that the guest
// cannot have had them before.
func newSeed(key ssh.Signer) seed.Seed {
	id := make([]byte, 4)
	rand.Read(id)
	name := "smoke-" + hex.EncodeToString(id)
	return seed.Seed{Instance: name, Host: name, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey()))) + " img-smoke"}
}
