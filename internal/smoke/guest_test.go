package smoke

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/qemu"
)

// The tests in this file boot guests that scripts/guests has made.

// guestDisk returns the disk of a prepared guest.
func guestDisk(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("RESPIN_GUESTS")
	if folder == "" {
		t.Skip("SKIP: RESPIN_GUESTS is unset: it names the folder that scripts/guests prints")
	}
	path := filepath.Join(folder, name+".raw")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIP: %v: scripts/guests makes it", err)
	}
	if _, err := qemu.Find("x86_64"); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	return path
}

// rootAt is where the guests' root file system begins on the disk, in bytes.
const rootAt = 36864 * 512

// An edit changes a guest's disk.
type edit func(t *testing.T, disk string)

// alter returns a copy of a guest's disk with edits.
func alter(t *testing.T, name string, edits ...edit) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), name+".raw")
	command(t, "cp", "--sparse=always", "--reflink=auto", guestDisk(t, name), disk)
	for _, e := range edits {
		e(t, disk)
	}
	return disk
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// debugfs runs commands on the root file system.
func debugfs(commands ...string) edit {
	return func(t *testing.T, disk string) {
		for _, c := range commands {
			out, err := exec.Command("debugfs", "-w", "-R", c, fmt.Sprintf("%s?offset=%d", disk, rootAt)).CombinedOutput()
			if err != nil || strings.Contains(string(out), "not found") || strings.Contains(string(out), "Usage") {
				t.Fatalf("debugfs %q: %v: %s", c, err, out)
			}
		}
	}
}

func remove(path string) edit { return debugfs("rm " + path) }

func link(path, target string) edit { return debugfs(fmt.Sprintf("symlink %s %s", path, target)) }

// write puts a file, mode 0755, in the place of what may be there.
func write(path, content string) edit {
	return func(t *testing.T, disk string) {
		local := filepath.Join(t.TempDir(), "content")
		if err := os.WriteFile(local, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		exec.Command("debugfs", "-w", "-R", "rm "+path, fmt.Sprintf("%s?offset=%d", disk, rootAt)).Run() // it may not be there
		debugfs(fmt.Sprintf("write %s %s", local, path), "sif "+path+" mode 0100755")(t, disk)
	}
}

// zero overwrites bytes of the disk.
func zero(at, n int64) edit {
	return func(t *testing.T, disk string) {
		f, err := os.OpenFile(disk, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, n), at); err != nil {
			t.Fatal(err)
		}
	}
}

// grubConfig is the configuration of the guests' GRUB for a root file system.
func grubConfig(uuid string) string {
	return `serial --unit=0 --speed=115200
terminal_output serial console
set timeout=0
menuentry guest {
  linux /boot/vmlinuz root=UUID=` + uuid + ` ro console=tty0 console=ttyS0,115200n8 net.ifnames=0
  initrd /boot/initrd.img
}
`
}

// smokeTest tests a disk and returns what came of it.
func smokeTest(t *testing.T, disk, firmware string, spec manifest.Smoke) manifest.Test {
	t.Helper()
	return smokeTestBy(t, &Tester{Firmware: []string{firmware}, Cache: t.TempDir()}, disk, spec)
}

func smokeTestBy(t *testing.T, tester *Tester, disk string, spec manifest.Smoke) manifest.Test {
	t.Helper()
	if strings.HasSuffix(disk, "tiny.raw") && spec.User == "" {
		spec.User = "fedora"
	}
	image := &Image{Name: filepath.Base(disk), Arch: "x86_64", Path: disk, Format: "raw", Smoke: spec, Bundle: filepath.Join(keepFolder(t), "bundle")}
	tests, errs := tester.image(context.Background(), image)
	for _, err := range errs {
		if _, ok := errors.AsType[*Refusal](err); !ok {
			t.Fatal(err)
		}
	}
	return tests[0]
}

// keepFolder is where bundles go: a folder of the test, or below $RESPIN_SMOKE_KEEP if a person wants to see them.
func keepFolder(t *testing.T) string {
	if keep := os.Getenv("RESPIN_SMOKE_KEEP"); keep != "" {
		return filepath.Join(keep, strings.ReplaceAll(t.Name(), "/", "_"))
	}
	return t.TempDir()
}

// together lets guests run beside each other, as many as go test's -parallel says.
// One that is not quick is left out where -short is given.
func together(t *testing.T, quick bool) {
	t.Helper()
	if !quick && testing.Short() {
		t.Skip("SKIP: takes minutes under TCG, and -short is given")
	}
	t.Parallel()
}

func TestGoodGuest(t *testing.T) {
	for _, name := range []string{"tiny", "debian"} {
		for _, firmware := range []string{"bios", "uefi"} {
			t.Run(name+" "+firmware, func(t *testing.T) {
				together(t, name == "tiny")
				if got := smokeTest(t, guestDisk(t, name), firmware, manifest.Smoke{}); !got.Passed || len(got.Retries) > 0 {
					t.Errorf("%s: %s %q", got.Code, got.Cause, got.Retries)
				}
			})
		}
	}
}

// Guests broken in one way each are refused with that as the cause.
func TestBrokenGuest(t *testing.T) {
	const otherUUID = "00000000-1111-2222-3333-444444444444"
	for i, tt := range []struct {
		name, guest, firmware string
		edits                 []edit
		code                  string
		text                  string // in the cause
	}{
		{"stands still", "tiny", "bios", []edit{write("/etc/early", "echo waiting for nothing; sleep 100000\n")}, "hang", "stands still"},
		{"no init", "tiny", "bios", []edit{remove("/sbin/init")}, "no-init", "/sbin/init"},
		{"wrong root", "tiny", "uefi", []edit{write("/boot/grub/grub.cfg", grubConfig(otherUUID))}, "root-not-found", otherUUID},
		{"panic", "tiny", "bios", []edit{write("/etc/early", "echo c > /proc/sysrq-trigger\n")}, "kernel-panic", "sysrq triggered crash"},
		{"no SSH server", "tiny", "bios", []edit{remove("/sbin/dropbear")}, "sshd-off", ""},
		{"no key", "tiny", "bios", []edit{write("/etc/late", "rm /home/fedora/.ssh/authorized_keys\n")}, "cloud-init-off", "fedora"},
		{"no boot loader", "tiny", "uefi", []edit{zero(4096*512, 1<<20)}, "boot-loader", "no boot loader"},
		{"no kernel", "tiny", "bios", []edit{remove("/boot/vmlinuz")}, "boot-loader", "vmlinuz"},
		{"disk runs full", "tiny", "bios", []edit{write("/etc/late", "dd if=/dev/zero of=/zeros bs=1M\n")}, "disk-full", "No space left"},
		{"memory", "tiny", "bios", []edit{write("/etc/late", "tail /dev/zero\n")}, "out-of-memory", "tail"},

		// With -short no more than these ten.
		{"init ends", "tiny", "bios", []edit{write("/etc/early", "exit 3\n")}, "init-died", "exit status 3"},
		{"no network", "tiny", "bios", []edit{write("/etc/early", "modprobe() { [ $1 = virtio_net ] || /bin/modprobe $1; }\n")}, "no-network", ""},
		{"computes without end", "tiny", "bios", []edit{write("/etc/early", "while :; do :; done\n")}, "hang", "without a sign of progress"},
		{"no boot sector", "tiny", "bios", []edit{zero(0, 440)}, "boot-loader", ""},
		{"no GRUB configuration", "tiny", "bios", []edit{remove("/boot/grub/grub.cfg")}, "boot-loader", ""},
		{"no GRUB modules", "tiny", "bios", []edit{zero(2048*512+512, 1<<19)}, "boot-loader", ""},
		{"starts over", "tiny", "bios", []edit{write("/etc/early", "reboot -f\n")}, "reset-loop", "3 times"},
		{"switches off", "tiny", "bios", []edit{write("/etc/early", "poweroff -f\n")}, "powered-off", ""},
		{"disk full", "tiny", "bios", []edit{write("/etc/late", "head -c 600k /dev/zero > /little; dd if=/dev/zero of=/zeros bs=64k 2>/dev/null; rm /little\n")}, "disk-space", "no space left"},

		{"failing unit", "debian", "bios", unit("broken", "[Service]\nType=oneshot\nExecStart=/bin/false\n"), "systemd", "broken.service"},
		{"cloud-init off", "debian", "uefi", []edit{write("/etc/cloud/cloud-init.disabled", "")}, "cloud-init-off", "cloud-init did not run"},
		{"sshd off", "debian", "bios", []edit{link("/etc/systemd/system/ssh.service", "/dev/null"), link("/etc/systemd/system/ssh.socket", "/dev/null")}, "sshd-off", ""},
		{"known password", "debian", "bios", []edit{write("/etc/shadow", "root:"+knownHash+":19000:0:99999:7:::\n")}, "accounts", `account "root" has a password that everybody knows`},
		{"wrong root, systemd", "debian", "bios", []edit{write("/boot/grub/grub.cfg", grubConfig(otherUUID))}, "root-not-found", otherUUID},
		{"no init, systemd", "debian", "bios", []edit{remove("/usr/sbin/init"), remove("/usr/lib/systemd/systemd")}, "no-init", ""},
		{"unit hangs before the login", "debian", "bios", unit("slow", "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n[Install]\n"), "hang", "slow.service"},
		{"unit hangs after the login", "debian", "bios", unit("slow", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n"), "boot-not-finished", "slow.service"},
		{"ordering cycle", "debian", "bios", append(unit("one", "[Unit]\nAfter=two.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n"), unit("two", "[Unit]\nAfter=one.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n")...), "ordering-cycle", ".service"},
		{"does not grow", "debian", "bios", []edit{write("/etc/cloud/cloud.cfg.d/95_growth.cfg", "growpart: { mode: 'off' }\n")}, "root-grown", "did not grow"},
		{"baked machine-id", "debian", "bios", []edit{write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"), debugfs("sif /etc/machine-id mtime 20200101000000")}, "machine-id", "same"},
		{"missing mount", "debian", "bios", []edit{write("/etc/fstab", "UUID=6d1a1e5c-5a1f-4f0e-9b0e-0c0ffee00001 / ext4 defaults 0 1\n/dev/vdz1 /data ext4 x-systemd.device-timeout=10s 0 0\n")}, "emergency", "/dev/vdz1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			together(t, i < 10)
			got := smokeTest(t, alter(t, tt.guest, tt.edits...), tt.firmware, manifest.Smoke{})
			if got.Passed || got.Code != tt.code || !strings.Contains(got.Cause, tt.text) {
				t.Errorf("passed: %v, code %q, cause %q; want code %q and %q", got.Passed, got.Code, got.Cause, tt.code, tt.text)
			}
			t.Logf("%.0f s: [%s] %s %q", got.Seconds, got.Code, got.Cause, got.Retries)
		})
	}
}

// A fault that does not come back on the safest machine is the emulator's: the
// image passes, and the result says what happened. This guest's kernel crashes
// on two processors only, as good kernels do on QEMU 7.2 now and then.
func TestEmulatorFault(t *testing.T) {
	disk := alter(t, "tiny", write("/etc/early", "[ $(grep -c ^processor /proc/cpuinfo) = 1 ] || echo c > /proc/sysrq-trigger\n"))
	got := smokeTestBy(t, &Tester{Accelerator: qemu.TCG, Firmware: []string{"bios"}, CPUs: 2}, disk, manifest.Smoke{})
	if !got.Passed || len(got.Retries) != 1 || !strings.HasPrefix(got.Retries[0], "kernel panic: sysrq triggered crash: ") {
		t.Errorf("passed: %v, %s %q", got.Passed, got.Cause, got.Retries)
	}
	if !strings.Contains(got.Machine, "tcg,thread=single qemu64 1 × ") {
		t.Errorf("the machine was %s", got.Machine)
	}
	t.Logf("%.0f s: %q", got.Seconds, got.Retries)
}

// knownHash is the hash of "fedora".
const knownHash = "$6$abc$gE/MR4pVzQx5LK/fooavVwR4Sj/g//FOwlH3S.mxCxIzLyo2bPpJRJxpZ.kFT1X5jylJPX6QjVCEEAzIUw7gk/"

// unit adds a service that the boot wants.
func unit(name, content string) []edit {
	return []edit{
		write("/etc/systemd/system/"+name+".service", content),
		link("/etc/systemd/system/multi-user.target.wants/"+name+".service", "/etc/systemd/system/"+name+".service"),
	}
}
