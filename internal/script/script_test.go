package script

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/sandbox"
)

// Shells tell in their own ways where they stumbled.
func TestFailingLine(t *testing.T) {
	for output, want := range map[string]int{
		"":                 0,
		"nothing to see\n": 0,
		"/run/respin/script: line 3: no-such-command: not found\n":       3,  // busybox
		"/run/respin/script: line 12: nosuch: command not found\n":       12, // bash
		"/run/respin/script: 7: nosuch: not found\n":                     7,  // dash
		"/run/respin/script: line 1: a\n/run/respin/script: line 2: b\n": 2,
		"/other/script: line 9: x\n":                                     0,
	} {
		if got := failingLine(output); got != want {
			t.Errorf("%q: line %d, want %d", output, got, want)
		}
	}
}

// A script's failure ends the build only if it says so; the place is the line that failed.
func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		err         error
		errorOnFail bool
		want        string
	}{
		"may fail":      {&sandbox.ExitError{Program: "sh", Code: 3}, false, ""},
		"must not fail": {&sandbox.ExitError{Program: "sh", Code: 3}, true, "a.ks:12:1: %post: the script failed with exit code 3: /run/respin/script: line 2: oops"},
		"killed":        {&sandbox.ExitError{Program: "sh", Signal: syscall.SIGKILL}, true, "a.ks:12:1: %post: the script was ended by a signal: killed: "},
		"no sandbox":    {errors.New("no sandbox"), false, "a.ks:12:1: %post: no sandbox"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Runner{Work: t.TempDir(), Plan: &disk.Plan{}, Log: io.Discard}
			if err := os.WriteFile(filepath.Join(r.Work, "requests"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			output := new(sandbox.Tail)
			output.Write([]byte("/run/respin/script: line 2: oops\n"))
			s := &kickstart.Script{Kind: kickstart.Post, ErrorOnFail: test.errorOnFail, Place: kickstart.Place{File: "a.ks", Line: 10, Column: 1}}
			err := r.judge(t.Context(), s, test.err, output)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}

// What a script asked of the disk is honoured or refused, never dropped.
func TestHeed(t *testing.T) {
	biosboot := disk.Partition{Number: 1, Role: disk.BIOSBoot}
	for name, test := range map[string]struct {
		requests   string
		partitions []disk.Partition
		want       string
		pmbr       bool
	}{
		"nothing":           {"", nil, "", false},
		"boot flag":         {"pmbr_boot\x1fon\n", nil, "", true},
		"boot flag off":     {"pmbr_boot\x1fon\npmbr_boot\x1foff\n", nil, "", false},
		"boot code":         {"grub2-install\x1f--target=i386-pc\x1f/dev/vda\n", []disk.Partition{biosboot}, "", false},
		"no room for it":    {"grub2-install\x1f--target=i386-pc\x1f/dev/vda\n", nil, `"grub2-install --target=i386-pc /dev/vda" needs a biosboot partition`, false},
		"what cannot be":    {"parted\x1f-s\x1f/dev/vda\x1frm\x1f1\n", nil, `"parted -s /dev/vda rm 1" cannot be honoured`, false},
		"an unknown marker": {"x\n", nil, `"x" cannot be honoured`, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Runner{Work: t.TempDir(), Plan: &disk.Plan{Label: disk.GPT, Partitions: test.partitions}}
			if err := os.WriteFile(filepath.Join(r.Work, "requests"), []byte(test.requests), 0o644); err != nil {
				t.Fatal(err)
			}
			err := r.heed(&kickstart.Script{Kind: kickstart.Post, Place: kickstart.Place{File: "a.ks", Line: 1}})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
			if r.Plan.Boot.PMBR != test.pmbr {
				t.Errorf("the boot flag is %v", r.Plan.Boot.PMBR)
			}
		})
	}
}

// --log goes into the tree or to what is thrown away, never to a file of the host.
func TestLogStaysInside(t *testing.T) {
	tree, temp, outside := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(tree, "out")); err != nil {
		t.Fatal(err)
	}
	r := &Runner{Tree: tree, Temp: temp}
	for _, test := range []struct {
		log      string
		nochroot bool
		want     string // the file that is made; "" if it is refused
	}{
		{"/root/post.log", false, tree + "/root/post.log"},
		{"/mnt/sysimage/root/a.log", true, tree + "/root/a.log"},
		{"/mnt/sysroot/root/b.log", true, tree + "/root/b.log"},
		{"/tmp/c.log", true, temp + "/tmp/c.log"},
		{"../../../../../../d.log", false, tree + "/d.log"},
		{"/out/e.log", false, ""},
	} {
		w, err := r.openLog(&kickstart.Script{Kind: kickstart.Post, Log: test.log, NoChroot: test.nochroot})
		if test.want == "" {
			if err == nil {
				t.Errorf("%s was opened", test.log)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.log, err)
			continue
		}
		w.Close()
		if _, err := os.Stat(test.want); err != nil {
			t.Errorf("%s: %v", test.log, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside is %v", left)
	}
}

type closer struct{ bytes.Buffer }

func (*closer) Close() error { return nil }

func TestBounded(t *testing.T) {
	var c closer
	b := &bounded{&c, 5}
	for _, text := range []string{"abc", "def", "ghi"} {
		if n, err := b.Write([]byte(text)); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if c.String() != "abcde" {
		t.Errorf("it holds %q", c.String())
	}
}

// A script can write where the next one's stand-ins come from; links that it
// leaves there are not followed.
func TestWorkIsMadeAnew(t *testing.T) {
	host := filepath.Join(t.TempDir(), "passwd")
	for _, name := range []string{"disk", "requests", "plan", "script", "bin/parted", "bin"} {
		if err := os.WriteFile(host, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		r := &Runner{Work: filepath.Join(t.TempDir(), "work"), Tree: t.TempDir(), Plan: &disk.Plan{}, Log: io.Discard}
		if err := r.prepare(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(r.Work, name)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(host, path); err != nil {
			t.Fatal(err)
		}
		if err := r.heed(&kickstart.Script{Kind: kickstart.Post}); name == "requests" && (err == nil || strings.Contains(err.Error(), "mine")) {
			t.Errorf("what it asked for is read from a file of the host: %v", err)
		}
		if _, err := r.command(&kickstart.Script{Kind: kickstart.Post, Interpreter: "/bin/sh", Body: "true"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text, _ := os.ReadFile(host); string(text) != "mine" {
			t.Errorf("%s: the host's file holds %q", name, text)
		}
	}
}
