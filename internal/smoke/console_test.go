package smoke

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// read gives text to a console in pieces and returns it with the faults that it reported.
func read(text []byte, piece int) (*console, []*Fault) {
	var faults []*Fault
	c := newConsole(func(f *Fault) { faults = append(faults, f) }, func(string) {})
	c.now = func() time.Time { return time.Unix(0, 0) }
	for len(text) > 0 {
		n := min(piece, len(text))
		c.Write(text[:n])
		text = text[n:]
	}
	return c, faults
}

// What consoles told, recorded from real guests, is read as the file beside each recording says.
func TestRecordings(t *testing.T) {
	logs, err := filepath.Glob("testdata/console/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range logs {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".log"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c, faults := read(text, 1)
			golden(t, strings.TrimSuffix(path, "log")+"out", describe(c.Facts(), faults))
		})
	}
}

// describe is what a console was understood to say: the fault that ends the test, and what else is known.
func describe(f facts, faults []*Fault) string {
	var b strings.Builder
	verdict := "none"
	if len(faults) > 0 {
		verdict = fmt.Sprintf("[%s] %s", faults[0].Code, faults[0].Text)
	}
	fmt.Fprintf(&b, "fault: %s\nstage: %s\nlogin prompt: %v\n", verdict, f.Stage, !f.Prompt.IsZero())
	for _, more := range []struct{ name, value string }{{"system", f.System}, {"user", f.User}, {"waits for", f.Waiting}} {
		if more.value != "" {
			fmt.Fprintf(&b, "%s: %s\n", more.name, more.value)
		}
	}
	for _, failure := range f.Failures {
		fmt.Fprintf(&b, "failed: %s\n", failure)
	}
	return b.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// Messages of systems that the recordings do not have, each with the cause it stands for.
func TestMessages(t *testing.T) {
	for _, tt := range []struct{ message, code, text string }{
		{"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "root-not-found", "the kernel cannot mount the root file system (unknown-block(0,0))"},
		{"[    1.2] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.", "no-init", "the kernel found no init: No working init found"},
		{"[    1.2] Kernel panic - not syncing: Requested init /sbin/init failed (error -2).", "no-init", "the kernel found no init: Requested init /sbin/init failed (error -2)"},
		{"[    1.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", "init-died", "init ended with exit status 1"},
		{"[    1.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b", "init-died", "init ended with signal 11"},
		{"[    1.2][    T1] Kernel panic - not syncing: Fatal exception in interrupt", "kernel-panic", "kernel panic: Fatal exception in interrupt"},
		{"[    1.2] Oops: int3: 0000 [#1] SMP NOPTI", "kernel-oops", "kernel oops: Oops: int3: 0000 [#1] SMP NOPTI"},
		{"[    1.2] int3: 0000 [#1] PREEMPT SMP NOPTI", "kernel-oops", "kernel oops: int3: 0000 [#1] PREEMPT SMP NOPTI"},
		{"[    1.2] BUG: unable to handle page fault for address: ffffffffc0000000", "kernel-oops", "kernel oops: BUG: unable to handle page fault for address: ffffffffc0000000"},
		{"[    9.0] Internal error: Oops: 0000000096000004 [#1] SMP", "kernel-oops", "kernel oops: Internal error: Oops: 0000000096000004 [#1] SMP"},
		{"[  130.1] INFO: task systemd-udevd:123 blocked for more than 120 seconds.", "hung-task", "process systemd-udevd is stuck in the kernel for more than 120 seconds"},
		{"[   60.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]", "soft-lockup", "a processor is stuck in the kernel: CPU#0 stuck for 26s! [swapper/0:1]"},
		{"[   60.1] Out of memory: Killed process 321 (dnf) total-vm:1kB", "out-of-memory", "out of memory: the kernel killed dnf"},
		{"[   60.1] EXT4-fs error (device vda3): ext4_lookup:1855: inode #2: comm sh: iget: checksum invalid", "disk-error", "a file system is damaged: EXT4-fs error (device vda3): ext4_lookup:1855: inode #2: comm sh: iget: checksum invalid"},
		{"[   60.1] XFS (vda4): Metadata corruption detected at xfs_agf_read_verify", "disk-error", "a file system is damaged: XFS (vda4): Metadata corruption detected at xfs_agf_read_verify"},
		{"dracut-initqueue[512]: Warning: /dev/disk/by-uuid/1-2 does not exist", "root-not-found", "the root file system /dev/disk/by-uuid/1-2 is not there"},
		{"Warning: /dev/disk/by-uuid/1-2 does not exist", "root-not-found", "the root file system /dev/disk/by-uuid/1-2 is not there"},
		{"ALERT!  UUID=1-2 does not exist.  Dropping to a shell!", "root-not-found", "the root file system UUID=1-2 is not there"},
		{"ERROR: device 'UUID=1-2' not found. Skipping fsck.", "root-not-found", "the root file system UUID=1-2 is not there"},
		{"You are in emergency mode. After logging in, type \"journalctl -xb\" to view", "emergency", "the boot ended in an emergency shell"},
		{"Cannot open access to console, the root account is locked.", "emergency", "the boot ended in an emergency shell"},
		{"[!!!!!!] Failed to mount API filesystems.", "systemd-frozen", "systemd gave up"},
		{"systemd[1]: Freezing execution.", "systemd-frozen", "systemd gave up"},
		{"systemd[1]: sysinit.target: Job one.service/start deleted to break ordering cycle starting with two.service/start", "ordering-cycle", "systemd left out one.service to break an ordering cycle"},
		{"[ SKIP ] Ordering cycle found, skipping two.service", "ordering-cycle", "systemd left out two.service to break an ordering cycle"},
		{"[ SKIP ] Ordering cycle found, skipping two.service - Two Things", "ordering-cycle", "systemd left out two.service to break an ordering cycle"},
		{"Failed to load SELinux policy, freezing.", "selinux-policy", "the SELinux policy could not be loaded"},
		{"Fatal glibc error: CPU does not support x86-64-v3", "cpu-level", "the image needs a processor of the level x86-64-v3"},
		{"error: no such device: 1-2.", "", ""},
		{"Entering rescue mode...", "boot-loader", "GRUB could not load the system"},
		{"error: you need to load the kernel first.", "boot-loader", "GRUB could not load the system: you need to load the kernel first"},
		{">>Start PXE over IPv4.", "boot-loader", "the firmware found no boot loader on the disk"},
		{"BdsDxe: No bootable option or device was found.", "boot-loader", "the firmware found no boot loader on the disk"},
		{"Missing operating system", "boot-loader", "the boot sector found no boot loader"},
		{"No bootable device.", "boot-loader", "the firmware found no boot loader on the disk"},
		{"tar: write error: No space left on device", "disk-full", "a file system is full: tar: write error: No space left on device"},

		// These look like trouble and are none.
		{"         Starting cleanup.service - Clean Up Job", "", ""},
		{"[  OK  ] Started cron.service - Job Scheduler.", "", ""},
		{"[  OK  ] Reached target emergency.target - Emergency Mode off", "", ""},
		{"         Starting systemd-oomd.service - Userspace Out-Of-Memory (OOM) Killer...", "", ""},
		{"[    0.0] Kernel command line: root=UUID=1 panic=-1 rd.emergency=halt", "", ""},
		{"[    0.0] Kernel panic on oops is enabled", "", ""},
		{"[    1.0] pci 0000:00:02.0: BAR 6: no space for [mem size 0x00010000 pref]", "", ""},
		{"[    1.0] Run /init as init process", "", ""},
		{"[    2.0] EXT4-fs (vda3): mounted filesystem with ordered data mode. Quota mode: none.", "", ""},
		{"[    2.0] int3 handler installed", "", ""},
		{"[    2.0] BTRFS info (device vda4): checking UUID tree", "", ""},
		{"[   10.0] watchdog: Enabled. Permanently consumes one hw-PMU counter.", "", ""},
	} {
		_, faults := read([]byte(tt.message+"\r\n"), len(tt.message)+2)
		code, text := "", ""
		if len(faults) > 0 {
			code, text = faults[0].Code, faults[0].Text
		}
		if code != tt.code || text != tt.text {
			t.Errorf("%q: [%s] %s\nwant [%s] %s", tt.message, code, text, tt.code, tt.text)
		}
	}
}

// Somebody is to type something: that is seen though the line never ends.
func TestPrompts(t *testing.T) {
	for text, want := range map[string]string{
		"grub rescue> ": "boot-loader",
		"grub> ":        "boot-loader",
		"Shell> ":       "boot-loader",
		"(initramfs) ":  "emergency",
		"dracut:/# ":    "emergency",
		"Give root password for maintenance\r\n(or press Control-D to continue): ": "emergency",
		"Press Enter for maintenance\r\n(or press Control-D to continue): ":        "emergency",
		"smoke-1 login: ":              "",
		"last login: yesterday":        "",
		"\x1b[?25h\x1b[0mgrub> \x1b[K": "boot-loader",
	} {
		c, faults := read([]byte(text), len(text))
		code := ""
		if len(faults) > 0 {
			code = faults[0].Code
		}
		if code != want {
			t.Errorf("%q: code %q, want %q", text, code, want)
		}
		if prompt := !c.Facts().Prompt.IsZero(); prompt != (text == "smoke-1 login: ") {
			t.Errorf("%q: login prompt: %v", text, prompt)
		}
	}
}

// A guest that says the same for ever does not get anywhere, one that says something new does.
func TestProgress(t *testing.T) {
	c, _ := read([]byte("try 1\ntry 2\r\ntry 3\nother\n"), 4)
	if c.Progress() != 2 {
		t.Errorf("progress is %d, want 2", c.Progress())
	}
	c.Restart()
	c.Write([]byte("try 4\n"))
	if c.Progress() != 3 {
		t.Errorf("after a reset it is %d, want 3", c.Progress())
	}
}

// A guest that writes without end takes no more memory than is set aside for it.
func TestEndlessConsole(t *testing.T) {
	c := newConsole(func(*Fault) {}, func(string) {})
	for i := range 400 {
		c.Write(bytes.Repeat([]byte{byte('a' + i%26)}, 100_000)) // one line
	}
	for i := range 20_000 {
		fmt.Fprintf(c, "line %s of many that all differ ........................................\n", strings.Repeat("x", i%500))
	}
	if n := cap(c.transcript.head) + cap(c.transcript.tail); n > 8*keep {
		t.Errorf("the transcript takes %d MiB", n>>20)
	}
	if n := len(c.Transcript()); n > 3*keep+100 {
		t.Errorf("the transcript has %d bytes", n)
	}
	if len(c.seen) > maxSeen || cap(c.splitter.line) > 2*maxLine {
		t.Errorf("%d lines are kept, one of %d bytes", len(c.seen), cap(c.splitter.line))
	}
	text := string(c.Transcript())
	if !strings.HasPrefix(text, "aaa") || !strings.Contains(text, "\n[... left out ...]\n") || !strings.HasSuffix(text, "..\n") {
		t.Error("the transcript lacks its beginning, its gap or its end")
	}
}

// Whatever a guest writes, and however it comes, it is read the same and within bounds.
func FuzzConsole(f *testing.F) {
	logs, _ := filepath.Glob("testdata/console/*.log")
	for _, path := range logs {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(text[max(0, len(text)-300):], uint8(7))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		a, faults := read(text, int(piece)+1)
		b, _ := read(text, len(text)+1)
		x, y := a.Facts(), b.Facts()
		x.Stage, y.Stage = "", "" // prompts are seen in the middle of lines
		x.Prompt, y.Prompt = time.Time{}, time.Time{}
		if diff := cmp.Diff(x, y); diff != "" || a.Progress() != b.Progress() {
			t.Errorf("in pieces it means something else: %s", diff)
		}
		if !bytes.Equal(a.Transcript(), b.Transcript()) {
			t.Error("in pieces the transcript differs")
		}
		for _, f := range faults {
			if _, ok := Causes[f.Code]; !ok || f.Text == "" {
				t.Errorf("%q is no cause, or says nothing: %q", f.Code, f.Text)
			}
			if len(f.Text) > 4*maxLine {
				t.Errorf("a sentence of %d bytes", len(f.Text))
			}
		}
		if len(x.Failures) > maxFailures {
			t.Errorf("%d failures are kept", len(x.Failures))
		}
	})
}
