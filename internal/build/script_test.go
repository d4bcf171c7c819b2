package build

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/manifest"
)

// inImage reads files of the image's root file system with the fixture's own debugfs.
func inImage(t *testing.T, m *manifest.Manifest, path string) string {
	t.Helper()
	log, err := os.ReadFile(m.Path("logs/build.log"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(log), "<<"+path+"\n")
	if !ok {
		t.Fatalf("the log has nothing of %s:\n%s", path, log)
	}
	text, _, _ := strings.Cut(rest, ">>\n")
	return text
}

// show is a %post script that writes files to the build log for inImage.
func show(paths ...string) string {
	script := "%post --erroronfail\n"
	for _, p := range paths {
		script += "echo '<<" + p + "'; cat " + p + "; echo '>>'\n"
	}
	return script + "%end\n"
}

func TestScripts(t *testing.T) {
	b := newBench(t)
	m := b.mustBuild(t, tinyDisk+tinyPackages+`
%pre-install
echo from pre-install > /mnt/sysimage/before
echo for later > /tmp/message
%end
%post --nochroot --log=/mnt/sysimage/root/nochroot.log
ls /mnt/sysroot/before && cat /tmp/message && echo $ANA_INSTALL_PATH
echo from nochroot > /mnt/sysimage/beside
%end
%post --interpreter=/usr/bin/busybox-not-there --erroronfail
%end
%post --log=/root/post.log
echo logged; echo also errors >&2
%end
%post
echo this one fails; exit 3
%end
`+show("/before", "/beside", "/root/nochroot.log", "/root/post.log", "/etc/fstab"))
	for path, want := range map[string]string{
		"/before": "from pre-install\n", "/beside": "from nochroot\n",
		"/root/nochroot.log": "/mnt/sysroot/before\nfor later\n/mnt/sysimage\n", "/root/post.log": "logged\nalso errors\n",
	} {
		if got := inImage(t, m, path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
}

// A %pre script has a say in what is built, through a file that the kickstart includes.
func TestPre(t *testing.T) {
	b := newBench(t)
	m := b.mustBuild(t, `bootloader --timeout=0
%include /tmp/disk.ks
%pre
echo "part biosboot --size=1 --fstype=biosboot" > /tmp/disk.ks
echo "part / --size=150 --fstype=ext4 --label=by-pre" >> /tmp/disk.ks
%end
`+tinyPackages)
	if fs := m.Build.Filesystems[0]; fs.Label != "by-pre" || fs.Size != 150<<20 {
		t.Errorf("the file system is %+v", fs)
	}
	b = newBench(t)
	b.fails(t, "%include /tmp/disk.ks\n"+tinyPackages, "test.ks:2:1: %include /tmp/disk.ks: no script made it")
	b.fails(t, "%include /tmp/disk.ks\n%pre\necho part / --size=1 --encrypted --passphrase=x > /tmp/disk.ks\n%end\n"+tinyPackages,
		"/tmp/disk.ks:1:1: part: --encrypted is not supported")
}

func TestScriptFails(t *testing.T) {
	b := newBench(t)
	b.fails(t, tinyDisk+tinyPackages+"%post --erroronfail\ntrue\necho about to fail\nno-such-command\n%end\n",
		"test.ks:11", "%post: the script failed with exit code 127", "about to fail")
	b = newBench(t)
	b.fails(t, tinyDisk+tinyPackages+"%post --erroronfail\nkill -9 $$\n%end\n", "%post: the script was ended by a signal: killed")
}

func TestScriptNeverEnds(t *testing.T) {
	b := newBench(t)
	b.Scripts.Timeout = manifest.Duration(time.Second)
	begin := time.Now()
	b.fails(t, tinyDisk+tinyPackages+"%post\nwhile :; do sleep 1; done\n%end\n", "test.ks:8:1: %post: ", "did not end in time: ended after 1s")
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// Fedora's kickstarts fill the disk with zeros, to its very end.
func TestScriptFillsTheDisk(t *testing.T) {
	b := newBench(t)
	b.Scripts.Space = 20 << 20
	m := b.mustBuild(t, tinyDisk+tinyPackages+`%post --erroronfail
dd if=/dev/zero of=/zeros bs=1M 2>/dev/null && exit 1
size=$(stat -c %s /zeros)
rm /zeros
[ $size -gt 19000000 ] && [ $size -le 20971520 ]
%end
`)
	if m.Build.TreeBytes > 100<<20 {
		t.Errorf("the tree has %d bytes", m.Build.TreeBytes)
	}
	b.fails(t, tinyDisk+tinyPackages+"%post --erroronfail\ndd if=/dev/zero of=/zeros bs=1M\n%end\n", "No space left on device")
}

// What scripts written for the installer do to the disk is taken for what it means.
func TestScriptsForTheInstaller(t *testing.T) {
	b := newBench(t)
	m := b.mustBuild(t, tinyDisk+tinyPackages+`%post --erroronfail
set -e
[ -e /dev/vda ]
grub2-install --target=i386-pc /dev/vda
parted /dev/vda disk_set pmbr_boot on
btrfs filesystem sync /
grub2-probe --target=fs_uuid /boot > /uuid
[ "$(grub2-probe -t device /)" = /dev/vda2 ]
grep -q "$(cat /uuid)" /etc/fstab
%end
`)
	f, err := os.Open(m.Path(m.Artifact("raw").Path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sector := make([]byte, 512)
	if _, err := f.ReadAt(sector, 0); err != nil {
		t.Fatal(err)
	}
	if sector[446] != 0x80 {
		t.Errorf("the protective MBR is not marked active: %#x", sector[446])
	}
	b.fails(t, tinyDisk+tinyPackages+"%post\nparted -s /dev/vda mkpart primary 1MiB 2MiB\n%end\n",
		`%post: "parted -s /dev/vda mkpart primary 1MiB 2MiB" cannot be honoured`)
}

// What a script starts and leaves behind ends with it, and does not hold the build up.
func TestScriptLeavesProcesses(t *testing.T) {
	b := newBench(t)
	b.Scripts.Timeout = manifest.Duration(time.Minute)
	begin := time.Now()
	b.mustBuild(t, tinyDisk+tinyPackages+"%post --erroronfail\n(trap '' HUP TERM INT; while :; do sleep 1; done) &\nsetsid sleep 1000 &\n%end\n")
	if took := time.Since(begin); took > 50*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Links that a script leaves behind lead neither the clean-up nor the disk out of the tree.
func TestScriptLeavesLinks(t *testing.T) {
	b := newBench(t)
	host := t.TempDir()
	if err := os.MkdirAll(host+"/tmp", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(host+"/tmp/mine", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.mustBuild(t, tinyDisk+tinyPackages+"%post --erroronfail\nmv /var /oldvar && ln -s "+host+" /var\nrm -rf /tmp && ln -s "+host+"/tmp /tmp || true\n%end\n")
	if _, err := os.Stat(host + "/tmp/mine"); err != nil {
		t.Error(err)
	}
}
