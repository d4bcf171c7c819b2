package build

import (
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

// What no repository has is reported all at once, each with its line and what
// may have been meant, before anything large is fetched.
func TestNothingHasIt(t *testing.T) {
	b := newBench(t)
	b.fails(t, tinyDisk+`%packages
@core
@coer
@^cloud-server
bussybox
zz*
%end
`, `test.ks:7:1: no repository has a group "coer": did you mean core?`,
		`test.ks:8:1: no repository has an environment "cloud-server"`,
		`test.ks:9:1: no repository has a package "bussybox": did you mean busybox?`,
		`test.ks:10:1: no package matches "zz*"`)
	b.onlyHas(t)
	b.mustBuild(t, tinyDisk+"%packages --excludedocs --ignoremissing\n@core\n@coer\nbussybox\n%end\n")
}

func TestUnsatisfiable(t *testing.T) {
	b := newBench(t)
	dir := b.extra(t, signer, rpmtest.Package{Name: "needy", Header: requires("nothing-has-this")})
	b.fails(t, tinyDisk+"repo --name=more --baseurl="+dir+"\n%packages\n@core\nneedy\n%end\n",
		"nothing-has-this", "needy-1.0-1.noarch")
	b.fails(t, tinyDisk+"%packages\n@core\n-busybox\n%end\n", "busybox")
}

func TestNoPackagesNoRepository(t *testing.T) {
	b := newBench(t)
	b.fails(t, tinyDisk, "test.ks: there is no %packages section")
	m := b.manifest(t, tinyDisk+tinyPackages)
	m.Kickstart.Text = strings.Replace(m.Kickstart.Text, "url --", "#url --", 1)
	b.refused(t, m, "no repository is named")
	b.refused(t, &manifest.Manifest{Image: m.Image}, "the manifest has no kickstart", "hint: pass it through ks-render first")
	b.Replace = map[string]string{"updates": "/nowhere"}
	b.fails(t, tinyDisk+tinyPackages, "--repo updates: the kickstart has no such repository", "hint: it has url")
	b.Replace = nil
	b.fails(t, tinyDisk+"repo --name=updates\n"+tinyPackages, `repository "updates" has no URL`, "--repo updates=URL")
}

func TestUnsupported(t *testing.T) {
	b := newBench(t)
	b.fails(t, "logvol / --vgname=vg --name=root --size=100\nvolgroup vg pv.1\npart pv.1 --size=100\n"+tinyPackages, "test.ks:2:1: logvol")
	b.fails(t, tinyDisk+"ostreesetup --osname=x --url=http://x.example --ref=y --remote=z\n"+tinyPackages, "ostreesetup")
	b.fails(t, "bootloader\npart / --size=20 --fstype=ext4\npart biosboot --size=1 --fstype=biosboot\n"+tinyPackages, "making the ext4 file system for /: its files take", "hint: give it a larger --size")
}
