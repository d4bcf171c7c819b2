package system

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/respin-project/respin/internal/kickstart"
)

func parse(t *testing.T, text string) *kickstart.Kickstart {
	t.Helper()
	k, err := (&kickstart.Loader{}).Read(context.Background(), "test.ks", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// tree is an empty root with some files, NAME to text; a name that ends in / is a folder.
func newTree(t *testing.T, files map[string]string) *System {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			os.MkdirAll(path, 0o755)
		} else if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &System{Tree: dir, Date: 10 * 86400, Log: io.Discard, Salt: func(string) string { return "0123456789abcdef0123456789abcdef" }}
}

// What commands leave in files that no tool of the distribution writes.
func TestFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		before map[string]string
		text   string
		after  map[string]string // links as "-> TARGET"
	}{
		"lang": {nil, "lang de_DE.UTF-8", map[string]string{"etc/locale.conf": "LANG=de_DE.UTF-8\n"}},
		"lang keeps what it does not know": {map[string]string{"etc/locale.conf": "LC_TIME=C\nLANG=C\n"}, "lang en_GB.UTF-8",
			map[string]string{"etc/locale.conf": "LC_TIME=C\nLANG=en_GB.UTF-8\n"}},
		"keyboard": {map[string]string{"etc/X11/xorg.conf.d/": ""}, "keyboard --vckeymap=cz --xlayouts='cz (qwerty),us'", map[string]string{
			"etc/vconsole.conf": "KEYMAP=\"cz\"\n",
			"etc/X11/xorg.conf.d/00-keyboard.conf": "Section \"InputClass\"\n        Identifier \"system-keyboard\"\n        MatchIsKeyboard \"on\"\n" +
				"        Option \"XkbLayout\" \"cz,us\"\n        Option \"XkbVariant\" \"qwerty,\"\nEndSection\n"}},
		"timezone": {map[string]string{"usr/share/zoneinfo/Etc/UTC": "zone"}, "timezone --utc Etc/UTC", map[string]string{
			"etc/localtime": "-> ../usr/share/zoneinfo/Etc/UTC", "etc/adjtime": "0.0 0 0.0\n0\nUTC\n"}},
		"time servers": {map[string]string{"etc/chrony.conf": "pool 2.fedora.pool.ntp.org iburst\nmakestep 1.0 3\n"},
			"timesource --ntp-pool=pool.example.org\ntimesource --ntp-server=ntp.example.org --nts", map[string]string{
				"etc/chrony.conf": "makestep 1.0 3\n# From the kickstart:\npool pool.example.org iburst\nserver ntp.example.org iburst nts\n"}},
		"selinux":   {map[string]string{"etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=targeted\n"}, "selinux --permissive", map[string]string{"etc/selinux/config": "SELINUX=permissive\nSELINUXTYPE=targeted\n"}},
		"host name": {nil, "network --hostname=cloud.example.org", map[string]string{"etc/hostname": "cloud.example.org\n"}},
		"fixed address": {map[string]string{"usr/lib/systemd/system/NetworkManager.service": ""},
			"network --device=eth0 --bootproto=static --ip=192.0.2.5 --netmask=255.255.255.192 --gateway=192.0.2.1 --nameserver=192.0.2.2 --noipv6", map[string]string{
				"etc/NetworkManager/system-connections/eth0.nmconnection": "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n\n" +
					"[ipv4]\nmethod=manual\naddress1=192.0.2.5/26,192.0.2.1\ndns=192.0.2.2;\n\n[ipv6]\nmethod=disabled\n"}},
		"any device, DHCP": {nil, "network --bootproto=dhcp --device=link --activate --onboot=on", nil},
		"repository":       {nil, "repo --name=extra --baseurl=https://example.org/extra --install --excludepkgs=a,b", map[string]string{"etc/yum.repos.d/extra.repo": "[extra]\nname=extra\nenabled=1\nbaseurl=https://example.org/extra\nexcludepkgs=a,b\n"}},
		"text mode":        {map[string]string{"usr/lib/systemd/system/multi-user.target": ""}, "text", map[string]string{"etc/systemd/system/default.target": "-> /usr/lib/systemd/system/multi-user.target"}},
		"locked root": {map[string]string{"etc/shadow": "bin:*:1:::::::\nroot:*:19000:0:99999:7:::\n"}, "rootpw --lock --iscrypted locked",
			map[string]string{"etc/shadow": "bin:*:1:::::::\nroot:!locked:10:0:99999:7:::\n"}},
		"password": {map[string]string{"etc/shadow": "root:!*:1::::::\n"}, "rootpw secret", map[string]string{
			"etc/shadow": "root:$6$0123456789abcdef$8CGkKDSyVpVlVNcs5PssRw/Tb8EgfecuA6D/zsRQFumJaU.s8KgTWWc2HfgkB7h2n1qIKiJFeSyUFrwvhILXy.:10::::::\n"}},
		"ssh key": {map[string]string{"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "root/.ssh/authorized_keys": "ssh-ed25519 OLD\n"}, `sshkey --username=root "ssh-ed25519 NEW a@b"`,
			map[string]string{"root/.ssh/authorized_keys": "ssh-ed25519 OLD\nssh-ed25519 NEW a@b\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTree(t, tt.before)
			if err := s.Apply(context.Background(), parse(t, tt.text)); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name := range tt.after {
				path := filepath.Join(s.Tree, name)
				if target, err := os.Readlink(path); err == nil {
					got[name] = "-> " + target
				} else if text, err := os.ReadFile(path); err == nil {
					got[name] = string(text)
				}
			}
			if diff := cmp.Diff(tt.after, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestApplyErrors(t *testing.T) {
	for text, want := range map[string]string{
		"timezone Mars/Olympus":                                                       "test.ks:1:1: timezone: there is no time zone \"Mars/Olympus\"",
		"services --enabled=nothing":                                                  "test.ks:1:1: services: the image has no service \"nothing\" to enable",
		"firewall --enabled":                                                          "the image has no firewalld",
		"sshkey --username=nobody \"ssh-rsa A\"":                                      "there is no user \"nobody\"",
		"network --ip=1.2.3.4 --netmask=255.255.255.0 --bootproto=static":             "a fixed address needs the name of its device",
		"network --device=eth0 --bootproto=static --ip=1.2.3.4 --netmask=255.0.255.0": "--netmask=255.0.255.0 is no netmask",
		"timesource --ntp-server=ntp.example.org":                                     "the image has no chrony",
		"rootpw --iscrypted x":                                                        "/etc/shadow has no user \"root\"",
	} {
		s := newTree(t, map[string]string{"usr/share/zoneinfo/UTC": ""})
		if err := s.Apply(context.Background(), parse(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	err := Check(parse(t, "cdrom\ntext\nlang C.UTF-8\nnetwork --device=eth0 --essid=home --bootproto=dhcp\nrealm join example.org\n%addon com_redhat_oscap\n%end\n"))
	if err == nil {
		t.Fatal("nothing was refused")
	}
	for _, want := range []string{"test.ks:1:1: cdrom: there is no installation medium", "test.ks:4:1: network: --essid is not supported",
		"test.ks:5:1: realm: joining a domain", "test.ks:6:1: %addon com_redhat_oscap"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	if err := Check(parse(t, "text\nreboot\nlang C.UTF-8\nrootpw --lock\nfirewall --disabled\nzerombr\n")); err != nil {
		t.Error(err)
	}
}

// Every command that some syntax knows is either honoured or refused with a reason of its own.
func TestEveryCommandIsKnown(t *testing.T) {
	for _, syntax := range kickstart.Syntaxes() {
		for _, name := range syntax.Commands() {
			_, set := settings[name]
			if !set && refused[name] == "" && !elsewhere[name] && !meaningless[name] && !storage[name] {
				t.Errorf("%s: nobody has decided about %q", syntax, name)
			}
		}
	}
}

func TestPasswordHash(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: no openssl to compare with")
	}
	want, err := exec.Command("openssl", "passwd", "-6", "-salt", "0123456789abcdef", "correct horse").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := newTree(t, nil)
	if got := s.hash("root", "correct horse"); got != strings.TrimSpace(string(want)) {
		t.Errorf("hash is %s, want %s", got, want)
	}
}
