package system

import (
	"errors"
	"fmt"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
)

// elsewhere are the commands that other parts of the engine honour: the
// repositories, the disk and the packages.
var elsewhere = words("url bootloader part btrfs autopart reqpart clearpart")

// meaningless are the commands about the installation program itself or the
// machine it runs on. An image that is built has neither, so leaving them out loses nothing.
var meaningless = words(`text cmdline graphical vnc rdp reboot poweroff halt shutdown logging mediacheck eula zerombr ignoredisk
	install updates sshpw skipx rescue driverdisk autostep interactive device deviceprobe unsupported_hardware lilocheck
	bootproto key langsupport mouse monitor`)

// refused are the commands that this engine cannot honour. Those about
// storage are package disk's.
var refused = map[string]string{
	"cdrom":           "there is no installation medium: name a repository with url",
	"harddrive":       "there is no installation medium: name a repository with url",
	"nfs":             "NFS is not supported: name the repository with url, as http or a folder",
	"hmc":             "there is no installation medium: name a repository with url",
	"liveimg":         "installing a live image is not supported: install packages",
	"ostreesetup":     "OSTree is not supported: install packages",
	"ostreecontainer": "OSTree is not supported: install packages",
	"bootc":           "bootc is not supported: install packages",
	"module":          "module streams are not supported",
	"realm":           "joining a domain has to happen where the image boots",
	"rhsm":            "registering has to happen where the image boots",
	"syspurpose":      "registering has to happen where the image boots",
	"auth":            "authconfig is gone: use authselect",
	"authconfig":      "authconfig is gone: use authselect",
}

// storage are the commands that package disk speaks of.
var storage = words("volgroup logvol raid mount iscsi iscsiname fcoe zfcp zipl nvdimm snapshot multipath dmraid")

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}

// Check reports every command and section of the kickstart that this engine
// cannot honour, so that nothing is silently left out.
func Check(k *kickstart.Kickstart) error {
	var errs []error
	fail := func(place kickstart.Place, format string, args ...any) {
		errs = append(errs, &kickstart.Diagnostic{At: place, Message: fmt.Sprintf(format, args...)})
	}
	for _, c := range k.Commands {
		_, known := settings[c.Name]
		switch {
		case refused[c.Name] != "":
			fail(c.Place, "%s: %s", c.Name, refused[c.Name])
		case known:
			checkOptions(c, fail)
		case elsewhere[c.Name] || meaningless[c.Name] || storage[c.Name]:
		default:
			fail(c.Place, "%s: this engine cannot honour the command", c.Name)
		}
	}
	for _, a := range k.Addons {
		if a.Section == "%addon" {
			fail(a.Place, "%%addon %s: add-ons of the installer are not supported", first(a.Args))
		}
	}
	return errors.Join(errs...)
}

// unsupported are options whose effect would silently be missing.
var unsupported = map[string][]string{
	"network": {"--essid", "--wepkey", "--wpakey", "--bondslaves", "--bondopts", "--bridgeslaves", "--bridgeopts",
		"--teamslaves", "--teamconfig", "--vlanid", "--dhcpclass", "--ethtool", "--bindto"},
	"repo": {"--proxy"},
}

func checkOptions(c *kickstart.Command, fail func(kickstart.Place, string, ...any)) {
	for _, option := range unsupported[c.Name] {
		if c.Has(option) {
			fail(c.Place, "%s: %s is not supported", c.Name, option)
		}
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
