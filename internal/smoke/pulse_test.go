package smoke

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/qemu"
)

// What a guest that gets nowhere is said to suffer from, by what is known of it.
func TestJudge(t *testing.T) {
	l := limitsOf(qemu.TCG)
	prompt := facts{Stage: "login prompt", Kernel: true, CloudInit: true, Prompt: time.Unix(1, 0)}
	without := prompt
	without.CloudInit = false
	silent := facts{Stage: "boot loader"}
	resting := func(d time.Duration) pulse { return pulse{rest: d, last: qemu.Vitals{Reads: 1000}} }
	working := func(d time.Duration) pulse { return pulse{work: d, last: qemu.Vitals{Reads: 1000}} }
	for _, tt := range []struct {
		name  string
		pulse pulse
		facts facts
		door  door
		want  string
	}{
		{"booting", pulse{}, facts{Stage: "kernel"}, doorUnknown, ""},
		{"logged in and at rest for long", resting(10 * l.rest), prompt, doorOpen, ""},
		{"prompt, port closed, not yet at rest", resting(l.settle - 1), prompt, doorClosed, ""},
		{"prompt, port closed, busy", working(l.work - 1), prompt, doorClosed, ""},
		{"prompt, port closed, at rest", resting(l.settle), prompt, doorClosed, "sshd-off"},
		{"prompt, port silent, at rest", resting(l.settle), prompt, doorSilent, "no-network"},
		{"prompt, key refused, at rest", resting(l.settle), prompt, doorLocked, "key-refused"},
		{"prompt, key refused, no cloud-init", resting(l.settle), without, doorLocked, "cloud-init-off"},
		{"prompt, users left to try", resting(l.rest - 1), prompt, doorGuarded, ""},
		{"prompt, users left to try for ever", resting(l.rest), prompt, doorGuarded, "hang"},
		{"console silent, key refused", resting(l.settle), silent, doorLocked, "key-refused"},
		{"console silent, port closed, resting a little", resting(l.settle), silent, doorClosed, ""},
		{"console silent, port closed", resting(l.rest), silent, doorClosed, "hang"},
		{"no prompt, at rest", resting(l.rest), facts{Stage: "initrd", Kernel: true}, doorSilent, "hang"},
		{"no prompt, computing", working(l.work), facts{Stage: "kernel", Kernel: true}, doorSilent, "hang"},
		{"no prompt, computing a while", working(l.work - 1), facts{Stage: "kernel", Kernel: true}, doorSilent, ""},
		{"initrd waits for the root", resting(l.root), facts{Initrd: true, Kernel: true, Waiting: "/dev/disk/by-uuid/1"}, doorSilent, "root-not-found"},
		{"initrd waits for something else", resting(l.root), facts{Initrd: true, Kernel: true, Waiting: "the network"}, doorSilent, ""},
		{"the system waits for a disk", resting(l.root), facts{Kernel: true, Waiting: "/dev/vdz"}, doorSilent, ""},
		{"boot sector astray", pulse{work: l.load, last: qemu.Vitals{Reads: 3}}, silent, doorSilent, "boot-loader"},
		{"boot loader with much to read", pulse{work: l.load, last: qemu.Vitals{Reads: 300}}, silent, doorSilent, ""},
	} {
		got := ""
		if f := l.judge(tt.pulse, tt.facts, tt.door, "fedora"); f != nil {
			got = f.Code
			t.Logf("%s: %s", tt.name, f)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// When a guest counts as resting and when as working.
func TestBeat(t *testing.T) {
	const s = time.Second
	step := func(ran, starved time.Duration, reads, written, spoken int64) func(*pulse) {
		return func(p *pulse) {
			v := p.last
			p.beat(qemu.Vitals{Ran: v.Ran + ran, Starved: v.Starved + starved, Reads: v.Reads + reads, Written: v.Written + written}, p.spoken+spoken, s)
		}
	}
	idle, busy, starved := step(s/100, 0, 0, 0, 0), step(s, 0, 0, 0, 0), step(s/100, s/2, 0, 0, 0)
	for _, tt := range []struct {
		name       string
		steps      []func(*pulse)
		rest, work time.Duration
	}{
		{"idle", []func(*pulse){idle, idle, idle}, 3 * s, 3 * s / 100},
		{"busy", []func(*pulse){busy, busy}, 0, 2 * s},
		{"a busy host", []func(*pulse){idle, starved}, 0, 2 * s / 100},
		{"busy in between", []func(*pulse){idle, idle, busy, idle}, s, 3*s/100 + s},
		{"speaks", []func(*pulse){idle, step(0, 0, 0, 0, 1), idle}, s, s / 100},
		{"reads", []func(*pulse){idle, step(0, 0, 1, 0, 0), idle}, s, s / 100},
		{"writes", []func(*pulse){idle, step(0, 0, 0, 1<<20, 0), idle}, s, s / 100},
		{"writes back a little", []func(*pulse){idle, step(0, 0, 0, 4096, 0), idle}, 3 * s, 2 * s / 100},
	} {
		var p pulse
		for _, do := range tt.steps {
			do(&p)
		}
		if p.rest != tt.rest || p.work != tt.work {
			t.Errorf("%s: rest %v, work %v; want %v, %v", tt.name, p.rest, p.work, tt.rest, tt.work)
		}
	}
	var p pulse
	p.beat(qemu.Vitals{}, 0, time.Hour) // the host was asleep
	if p.rest > 2*s {
		t.Errorf("after an hour that was slept through it rests for %v", p.rest)
	}
}

// An image is booted again where the fault may be the emulator's, and on what is safer.
func TestRetry(t *testing.T) {
	tcg := qemu.Machine{Accelerator: qemu.TCG, CPUs: 2}
	single := qemu.Machine{Accelerator: qemu.TCG, CPUs: 1, SingleThread: true}
	kvm := qemu.Machine{Accelerator: qemu.KVM, CPUs: 2}
	oops := match(kernelRules, "Oops: int3: 0000 [#1] SMP NOPTI")
	level := match(bootRules, "Fatal glibc error: CPU does not support x86-64-v3")
	for _, tt := range []struct {
		name    string
		machine qemu.Machine
		err     error
		failed  bool // QEMU itself
		want    qemu.Machine
		again   bool
	}{
		{"int3 on two threads", tcg, oops, false, single, true},
		{"int3 on one thread", single, oops, false, single, false},
		{"int3 with KVM", kvm, oops, false, kvm, false},
		{"panic", tcg, faultf("kernel-panic", "x"), false, single, true},
		{"no init", tcg, faultf("no-init", "x"), false, tcg, false},
		{"hang", tcg, faultf("hang", "x"), false, tcg, false},
		{"passed", tcg, nil, false, tcg, false},
		{"QEMU died", tcg, errTimeout, true, single, true},
		{"QEMU died again", single, errTimeout, true, single, false},
		{"KVM gave up", kvm, errTimeout, true, qemu.Machine{Accelerator: qemu.TCG, CPUs: 2}, true},
		{"newer processor", tcg, level, false, qemu.Machine{Accelerator: qemu.TCG, CPUs: 2, Level: 3}, true},
		{"newer processor than the host's", kvm, level, false, qemu.Machine{Accelerator: qemu.TCG, CPUs: 2, Level: 3}, true},
	} {
		a := &attempt{machine: tt.machine, emulatorFailed: tt.failed, console: newConsole(func(*Fault) {}, func(string) {})}
		got, why := a.retry(tt.err)
		if again := why != ""; again != tt.again || again && !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %q on %v, want %v on %v", tt.name, why, got, tt.again, tt.want)
		}
	}
}

// What a guest's own time limits say counts only if the host let it run.
func TestTooBusy(t *testing.T) {
	for _, tt := range []struct {
		code         string
		ran, starved time.Duration
		busy         bool
	}{
		{"emergency", 100 * time.Second, 49 * time.Second, false},
		{"emergency", 100 * time.Second, 51 * time.Second, true},
		{"systemd", time.Second, time.Minute, true},
		{"kernel-panic", time.Second, time.Minute, false},
	} {
		err := tooBusy(faultf(tt.code, "it failed"), qemu.Vitals{Ran: tt.ran, Starved: tt.starved})
		if busy := err != nil; busy != tt.busy {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
