package smoke

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/qemu"
	"github.com/respin-project/respin/internal/report"
)

// A Suite is the test of one image under one firmware.
type Suite struct {
	Name string // the image's
	Test manifest.Test
}

// A Refusal says that an image was tested and did not pass.
type Refusal struct{ Test manifest.Test }

func (r *Refusal) Error() string { return r.Test.Firmware + ": " + r.Test.Cause }

// Hint says where to look.
func (r *Refusal) Hint() string {
	if r.Test.Bundle == "" {
		return "the artifact was not booted"
	}
	return r.Test.Bundle + " holds the console, the screen, the journal and a script that boots it by hand"
}

// ExitCode is 3, which stands for the answer no.
func (r *Refusal) ExitCode() int { return 3 }

// Manifest tests the image of a manifest and records that in the manifest and in its file. The
// error is, or joins, a *Refusal for each firmware under which it did not pass.
func (t *Tester) Manifest(ctx context.Context, m *manifest.Manifest) error {
	a, err := choose(m, t.Format)
	if err != nil {
		return err
	}
	image := &Image{
		Name: m.Image.ID(), Arch: m.Image.Arch, Path: m.Path(a.Path), Format: base(a.Format),
		Artifact: a.Path, SHA256: a.SHA256, Bundle: m.Path("logs/smoke"),
	}
	if m.Spec != nil {
		image.Smoke = m.Spec.Smoke
	}
	if m.Kickstart != nil {
		image.Kickstart = m.Kickstart.Text
	}
	if m.Build != nil {
		image.Packages = len(m.Build.Packages)
	}
	tests, errs := t.image(ctx, image)
	if ctx.Err() != nil {
		return errors.Join(errs...)
	}
	for i := range tests {
		if tests[i].Bundle != "" {
			tests[i].Bundle = "logs/smoke-" + tests[i].Firmware
		}
	}
	m.Tests = merge(m.Tests, tests)
	return errors.Join(append(errs, m.Save())...)
}

// merge adds tests to earlier ones, in whose place they come where the firmware is the same.
func merge(earlier, tests []manifest.Test) []manifest.Test {
	kept := slices.DeleteFunc(slices.Clone(earlier), func(e manifest.Test) bool {
		return slices.ContainsFunc(tests, func(t manifest.Test) bool { return t.Firmware == e.Firmware && t.Artifact == e.Artifact })
	})
	return append(kept, tests...)
}

// File tests the disk image in a plain file. What a failed test leaves goes
// into folder, or lies beside the file if that is empty. The error is as that of Manifest.
func (t *Tester) File(ctx context.Context, path, arch, folder string) ([]manifest.Test, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	image := &Image{Name: filepath.Base(path), Arch: arch, Path: path, Artifact: path, Format: base(t.Format)}
	if image.Format == "" {
		if image.Format, err = detect(f); err != nil {
			return nil, err
		}
	}
	if folder == "" {
		folder = filepath.Dir(path)
	}
	image.Bundle = filepath.Join(folder, image.Name+".smoke")
	tests, errs := t.image(ctx, image)
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", path, err)
	}
	return tests, errors.Join(errs...)
}

// image tests an image under each of its firmwares.
func (t *Tester) image(ctx context.Context, image *Image) ([]manifest.Test, []error) {
	image.Smoke.Skip = slices.Concat(image.Smoke.Skip, t.Skip)
	if t.User != "" {
		image.Smoke.User = t.User
	}
	if err := Validate(image.Smoke); err != nil {
		return nil, []error{err}
	}
	h, err := t.host(ctx, image.Arch)
	if err != nil {
		return nil, []error{err}
	}
	disk, closeDisk, err := image.open(ctx)
	if err != nil {
		return nil, []error{err}
	}
	defer closeDisk()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sum := sync.OnceValues(func() (string, error) {
		sum, err := image.verify(ctx)
		if err != nil {
			cancel(err)
		}
		return sum, err
	})
	var work sync.WaitGroup
	work.Go(func() { sum() }) // while the guests boot
	firmwares := t.firmwares(h, image)
	tests, errs := make([]*manifest.Test, len(firmwares)), make([][]error, len(firmwares))
	for i, firmware := range firmwares {
		work.Go(func() { tests[i], errs[i] = t.firmware(ctx, h, image, disk, firmware, sum) })
	}
	work.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, []error{cause}
	}
	var done []manifest.Test
	for _, test := range tests {
		if test != nil {
			done = append(done, *test)
		}
	}
	return done, slices.Concat(errs...)
}

// verify returns the SHA-256 of the artifact, which must be the one that the manifest has.
func (i *Image) verify(ctx context.Context) (string, error) {
	sum, err := manifest.Digest(ctx, i.Path)
	if err == nil && i.SHA256 != "" && sum != i.SHA256 {
		err = fmt.Errorf("%s is not the file that the manifest describes: its SHA-256 is %s instead of %s", i.Path, sum, i.SHA256)
	}
	return sum, err
}

// firmware tests an image under one firmware. The test is nil if there was none.
func (t *Tester) firmware(ctx context.Context, h *host, image *Image, disk qemu.Disk, firmware string, sum func() (string, error)) (*manifest.Test, []error) {
	machine, err := t.machine(h, image, firmware)
	if err != nil {
		return nil, []error{err}
	}
	machine.Disk = disk
	release, err := t.acquire(ctx, machine)
	if err != nil {
		return nil, []error{err}
	}
	defer release()
	result := &manifest.Test{Artifact: image.Artifact, Firmware: firmware}
	evidence, err := t.boot(ctx, image, machine, result)
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", firmware, err)}
	}
	if result.SHA256, err = sum(); err != nil {
		return nil, []error{err}
	}
	var errs []error
	bundle := image.Bundle + "-" + firmware
	if evidence != nil {
		result.Bundle = bundle
		err = evidence.Write(bundle, image.Name, *result)
	} else {
		err = os.RemoveAll(bundle) // of an earlier test: it does not hold any more
	}
	if !result.Passed {
		errs = append(errs, &Refusal{*result})
	}
	if err != nil {
		errs = append(errs, err)
	}
	t.record(image, *result)
	return result, errs
}

// record keeps a test and tells how it went; the cause of a failed one comes with its error.
func (t *Tester) record(image *Image, result manifest.Test) {
	t.mu.Lock()
	t.suites = append(t.suites, Suite{Name: image.Name, Test: result})
	t.mu.Unlock()
	count := map[string]int{}
	for _, r := range result.Results {
		if r.Outcome == "failed" && r.Severity == "warning" {
			count["warning"]++
			t.Report.Warn(report.Place{}, "%s (%s): %s: %s", image.Name, result.Firmware, r.Name, r.Message)
			continue
		}
		count[r.Outcome]++
	}
	if result.Passed {
		t.Report.Printf("%s (%s): passed in %s: %d checks, %d skipped, %d warnings", image.Name, result.Firmware,
			report.Seconds(time.Duration(result.Seconds*float64(time.Second))), count["passed"], count["skipped"], count["warning"])
	}
}

// open returns the disk for QEMU. A packed one is unpacked.
func (i *Image) open(ctx context.Context) (qemu.Disk, func(), error) {
	for _, f := range formats {
		if f.name != i.Format {
			continue
		}
		if f.driver != "" {
			path, err := filepath.Abs(i.Path)
			return qemu.Disk{Path: path, Format: f.driver, Grow: grow}, func() {}, err
		}
		file, err := unpack(ctx, i.Path, i.Format)
		if err != nil {
			return qemu.Disk{}, nil, err
		}
		path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())
		return qemu.Disk{Path: path, Format: "raw", Grow: grow}, func() { file.Close() }, nil
	}
	return qemu.Disk{}, nil, Bootable(i.Format)
}

// Suites returns the tests so far, in the order in which they ended.
func (t *Tester) Suites() []Suite {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.suites)
}
