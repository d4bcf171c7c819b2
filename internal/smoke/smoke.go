// Package smoke boots images in virtual machines, tests them over SSH and says
// whether they are good, and if not, why.
//
// A good image passes every time; a broken one is refused in seconds with the
// cause named. Three things are watched for that while a guest boots: what it
// writes to its console (see rules.go), whether it gets anywhere at all (see
// pulse.go), and what QEMU tells about it. In a guest that can be logged into
// come the checks, the files check_*.go, and the tests of the image's spec.
//
// docs/smoke.md is the description for users.
package smoke

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/qemu"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/seed"
	"golang.org/x/crypto/ssh"
)

// A Tester tests images. Its methods may be called from several goroutines.
type Tester struct {
	Accelerator qemu.Accelerator // empty for the best that works
	Firmware    []string         // "bios", "uefi"; empty for the spec's, or else both
	Format      string           // of the artifact to boot; empty for the preferred one that there is
	User        string           // whom to log in as; empty for the spec's, or else the default user
	Skip        []string         // checks and causes to pass over, besides the spec's
	CPUs        int              // of a guest; 0 for a default
	Memory      int64            // of a guest, bytes; 0 for the spec's, or else a default
	Timeout     time.Duration    // for a boot with all its tests; 0 for a default
	Jobs        int              // guests that run at the same time; 0 for as many as the machine carries
	Cache       string           // folder to keep in what is known of this machine; empty for none
	Report      *report.Report

	mu     sync.Mutex
	hosts  map[string]*host // by architecture
	slots  chan struct{}    // has room for Jobs
	suites []Suite          // in the order in which they ended
}

// An Image is what there is to test.
type Image struct {
	Name      string         // in messages
	Arch      string         // as RPM names it
	Path      string         // of the artifact
	Format    string         // of the artifact, one of Formats
	Artifact  string         // the artifact's path in the manifest
	SHA256    string         // of the artifact as the manifest has it, hexadecimal digits; empty if not known
	Smoke     manifest.Smoke // what the spec says about testing it
	Kickstart string         // text of the kickstart that it was made from; empty if not known
	Packages  int            // in its RPM database; 0 if not known
	Bundle    string         // folder for what a failed test leaves; the firmware's name is put behind it
}

// maxRetries bounds how often an image is booted again because of the emulator.
const maxRetries = 3

// grow is how much larger than the image the guest's disk is, in bytes, so
// that it can be seen whether the image makes use of a larger disk.
const grow = 2 << 30

var errTimeout = errors.New("the time for the test is over")

// boot boots the image, and boots it again where that is what it takes to tell
// its faults from the emulator's. It completes result. The evidence is nil if
// the image passed; the error is for one that could not be tested.
func (t *Tester) boot(ctx context.Context, image *Image, machine qemu.Machine, result *manifest.Test) (*Evidence, error) {
	task := t.Report.Task(fmt.Sprintf("%s (%s)", image.Name, result.Firmware), 0, report.Items)
	defer task.Drop()
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	for {
		a := &attempt{image: image, machine: machine, key: key, task: task, limits: limitsOf(machine.Accelerator)}
		limited, cancel := context.WithTimeoutCause(ctx, t.timeout(machine), errTimeout)
		err := a.run(limited)
		cancel()
		result.Seconds = a.seconds
		result.Accelerator, result.Machine = string(machine.Accelerator), a.describe()
		result.Results = a.results
		if again, why := a.retry(err); why != "" && len(result.Retries) < maxRetries {
			machine = again
			result.Retries = append(result.Retries, why)
			t.Report.Printf("%s (%s): booting again: %s", image.Name, result.Firmware, why)
			continue
		}
		if err == nil {
			result.Passed = true
			return nil, nil
		}
		fault, ok := errors.AsType[*Fault](err)
		if !ok {
			return nil, err
		}
		if err := tooBusy(fault, a.pulse.last); err != nil {
			return nil, err
		}
		result.Code, result.Cause = fault.Code, fault.Text
		return a.evidence, nil
	}
}

// timeout is how long a boot with all its tests may take.
func (t *Tester) timeout(m qemu.Machine) time.Duration {
	switch {
	case t.Timeout > 0:
		return t.Timeout
	case m.Accelerator == qemu.KVM:
		return 10 * time.Minute
	}
	return 30 * time.Minute
}

// seconds is d with a precision that means something.
func seconds(d time.Duration) float64 { return d.Round(10 * time.Millisecond).Seconds() }

// newKey makes the key pair of one test. It is kept nowhere.
func newKey() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return ssh.NewSignerFromSigner(private)
}

// newSeed is what tells a guest about key. Its names are new each time, so that no image can
// have had them before.
func newSeed(key ssh.Signer) seed.Seed {
	id := make([]byte, 4)
	rand.Read(id)
	name := "smoke-" + hex.EncodeToString(id)
	return seed.Seed{Instance: name, Host: name, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey()))) + " img-smoke"}
}
