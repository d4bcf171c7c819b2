package smoke

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/manifest"
)

// Hashes of passwords, by the passwords.
var hashes = map[string]string{
	"fedora":         knownHash,
	"changeme":       "$y$j9T$abcdefgh$mN7T/8w4KanZPunFPCfgNJe8sbTOY7spfof5/Noc/G0",
	"k1ckstart-word": "$5$abc$FrDuGU36eOJrvDFRqwRbt6LzOKQXwHorX3O8TphpKq.",
	"unknown":        "$6$abc$5hTWUHksEUz7WMU9crBGV3f3hm2NsNLesU4u.wM1DfscF/lGzBYDVw7uxrQ8NWnT31Qr9wvyvW3vQ798MHSUE1",
	"bob123":         "$1$abc$UMlhxRCQqVaXbNWS70wGt/",
	"password":       "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
}

func TestAccounts(t *testing.T) {
	const users = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"
	for _, tt := range []struct{ name, passwd, shadow, kickstart, want string }{
		{"all locked", users, "root:!locked:1::::::\nbob:*:1::::::\ndaemon:!*:1::::::\n", "", "ok: all locked"},
		{"no shadow at all", users, "", "", "ok: all locked"},
		{"empty", users, "root:!:1::::::\nbob::1::::::\n", "", `account "bob" has an empty password`},
		{"empty in passwd", "root::0:0:root:/root:/bin/sh\n", "root:!:1::::::\n", "", `account "root" has an empty password`},
		{"a second root", users + "toor:x:0:0::/:/bin/sh\n", "root:!:1::::::\n", "", `account "toor" has root's user id`},
		{"root unlocked", users, "root:" + hashes["unknown"] + ":1::::::\n", "rootpw --lock\n", "root has a password: the account should be locked"},
		{"root unlocked without a kickstart", users, "root:" + hashes["unknown"] + ":1::::::\n", "", "root has a password: the account should be locked"},
		{"the kickstart unlocks root", users, "root:" + hashes["unknown"] + ":1::::::\n", "rootpw --iscrypted $6$abc$5hTW\n", "ok: with a password: root"},
		{"another's password", users, "root:!:1::::::\nbob:" + hashes["unknown"] + ":1::::::\n", "", "ok: with a password: bob"},
		{"a known one, sha512", users, "bob:" + hashes["fedora"] + ":1::::::\n", "", `account "bob" has a password that everybody knows`},
		{"a known one, yescrypt", users, "bob:" + hashes["changeme"] + ":1::::::\n", "", `account "bob" has a password that everybody knows`},
		{"a known one, bcrypt", users, "bob:" + hashes["password"] + ":1::::::\n", "", `account "bob" has a password that everybody knows`},
		{"the account's name and a number, md5", users, "bob:" + hashes["bob123"] + ":1::::::\n", "", `account "bob" has a password that everybody knows`},
		{"the kickstart's, for root", users, "root:" + hashes["k1ckstart-word"] + ":1::::::\n", "rootpw --plaintext k1ckstart-word\n", `account "root" has a password that everybody knows`},
		{"the kickstart's, for a user", users, "bob:" + hashes["k1ckstart-word"] + ":1::::::\n", "user --name=bob --password=k1ckstart-word\n", `account "bob" has a password that everybody knows`},
		{"one too costly to try", users, "bob:$y$jZT$abcdefgh$mN7T:1::::::\n", "", "ok: with a password: bob"},
		{"a hostile file", "::\n\x00\xff\n:::::::::", ":\n::::\n\xff:\xff\n", "", `account "" has an empty password`},
	} {
		compare(t, tt.name, tt.want)(judgeAccounts(tt.passwd, tt.shadow, tt.kickstart))
	}
}

// compare holds what a judge says against want, "ok: MESSAGE" or the error.
func compare(t *testing.T, name, want string) func(string, error) {
	return func(message string, err error) {
		t.Helper()
		got := "ok: " + message
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSSHD(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"keys only", "port 22\npermitrootlogin without-password\npasswordauthentication no\nkbdinteractiveauthentication no\n", "ok: root: without-password"},
		{"others by password", "permitrootlogin no\npasswordauthentication yes\n", "ok: root: no; others also by password"},
		{"root, but keys only", "permitrootlogin yes\npasswordauthentication no\nkbdinteractiveauthentication no\n", "ok: root: yes"},
		{"root by password", "permitrootlogin yes\npasswordauthentication yes\n", "sshd lets root in with a password (PermitRootLogin yes)"},
		{"root by dialogue", "PermitRootLogin yes\nkbdinteractiveauthentication yes\n", "sshd lets root in with a password (PermitRootLogin yes)"},
		{"empty passwords", "permitrootlogin no\npermitemptypasswords yes\n", "sshd lets accounts with an empty password in (PermitEmptyPasswords yes)"},
		{"nothing", "", "sshd does not say whom it lets in"},
	} {
		compare(t, tt.name, tt.want)(judgeSSHD(tt.text))
	}
}

func TestLayout(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"grown", "disk 14680064\nvda1 8192\nvda2 14669824\n/dev/vda2 7000000 1 1 1% /\n", "ok: 6.7 GiB of 7.0 GiB"},
		{"the partition did not", "disk 14680064\nvda1 8192\nvda2 10477568\n/dev/vda2 5000000 1 1 1% /\n", "2.0 GiB of the disk belong to no partition: the root partition did not grow"},
		{"the file system did not", "disk 14680064\nvda1 8192\nvda2 14669824\n/dev/vda2 5000000 1 1 1% /\n", "the root file system has 4.8 GiB of the 7.0 GiB of /dev/vda2: it did not grow"},
		{"no partitions", "disk 14680064\n/dev/root 7000000 1 1 1% /\n", "ok: 6.7 GiB of 7.0 GiB"},
		{"no partitions, not grown", "disk 14680064\n/dev/vda 5000000 1 1 1% /\n", "the root file system has 4.8 GiB of the 7.0 GiB of /dev/vda: it did not grow"},
		{"nonsense", "x\n1 2 3\n", "the guest does not say how large its disk and its root file system are"},
	} {
		compare(t, tt.name, tt.want)(judgeLayout(tt.text))
	}
}

func TestSpace(t *testing.T) {
	const head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
	for _, tt := range []struct{ name, text, want string }{
		{"enough", head + "/dev/vda4 100 50 50 50% /\ntmpfs 1 1 0 100% /run\n/dev/vda1 9 1 8 10% /boot\n", "ok: / 50 %; /boot 10 %"},
		{"full", head + "/dev/vda4 100 99 1 99% /var\n", "the file system on /var has no space left: 99 % are used"},
		{"the seed is always full", head + "/dev/vdb 1 1 0 100% /run/seed\n", "ok: "},
		{"no inodes", head + "/dev/vda4 0 0 0 - /\n", "ok: "},
	} {
		compare(t, tt.name, tt.want)(judgeSpace(tt.text, "space"))
	}
}

func TestCloudInit(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"done", `{"v1":{"datasource":"DataSourceNoCloud [seed=/dev/vdb]","errors":[]}}`, "ok: done, DataSourceNoCloud [seed=/dev/vdb]"},
		{"errors", `{"v1":{"datasource":"DataSourceNoCloud","errors":["('runcmd', ValueError)"]}}`, "cloud-init reports errors: ('runcmd', ValueError)"},
		{"another data source", `{"v1":{"datasource":"DataSourceNone","errors":[]}}`, `cloud-init used "DataSourceNone" instead of the seed's NoCloud`},
		{"disabled", "status: disabled\n", "cloud-init did not run: status: disabled"},
		{"nothing", "", "cloud-init did not run: "},
	} {
		compare(t, tt.name, tt.want)(judgeCloudInit(tt.text))
	}
	got, err := recoverable(`{"v1":{"datasource":"x","init":{"recoverable_errors":{"WARNING":["b"],"DEBUG":["no"]}},"init-local":{"errors":[],"recoverable_errors":{"ERROR":["a"]}},"stage":null}}`)
	if diff := cmp.Diff([]string{"b", "a"}, got); diff != "" || err != nil {
		t.Errorf("recoverable errors: %s %v", diff, err)
	}
}

func TestOlder(t *testing.T) {
	old, others, err := older("boot 1000\n/a 999\n/b 998\n/c 1001\n")
	if diff := cmp.Diff([]string{"/b"}, old); diff != "" || !others || err != nil {
		t.Errorf("%s, others: %v, %v", diff, others, err)
	}
	for _, bad := range []string{"", "/a 1\n", "boot x\n", "nonsense"} {
		if _, _, err := older(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestJournalMessages(t *testing.T) {
	text := `{"MESSAGE":"one","SYSLOG_IDENTIFIER":"a"}
{"MESSAGE":"one","SYSLOG_IDENTIFIER":"a"}
{"MESSAGE":[27,91],"SYSLOG_IDENTIFIER":"b"}
{"MESSAGE":"kvm: no hardware support","SYSLOG_IDENTIFIER":"kernel"}
{"MESSAGE":"allowed thing","SYSLOG_IDENTIFIER":"c"}
{"MESSAGE":"cut o`
	got := journalMessages(text, append([]*regexp.Regexp{regexp.MustCompile("^c: allowed")}, harmless...))
	if diff := cmp.Diff([]string{"a: one", "b: (not text)"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSpecTests(t *testing.T) {
	for _, tt := range []struct {
		name string
		test manifest.SmokeTest
		out  output
		want string
	}{
		{"passes", manifest.SmokeTest{Name: "x", Stdout: "^42$"}, output{stdout: "42\n"}, ""},
		{"fails without a word", manifest.SmokeTest{Name: "x"}, output{exit: 7}, `test "x": exit status 7 instead of 0`},
		{"expects to fail", manifest.SmokeTest{Name: "x", Exit: 1}, output{exit: 1}, ""},
		{"fails", manifest.SmokeTest{Name: "x"}, output{exit: 2, stderr: "it\nbroke\n"}, `test "x": exit status 2 instead of 0: broke`},
		{"prints something else", manifest.SmokeTest{Name: "x", Stdout: "^42$"}, output{stdout: "43\n"}, `test "x": it printed "43", which does not match "^42$"`},
	} {
		got := ""
		if err := judgeTest(tt.test, tt.out); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Whatever a guest answers, the checks come to an end and their messages stay short and of one line.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		"root:x:0:0::/root:/bin/sh\nroot:$6$abc$x:1::::::\n", "disk 100\nvda1 90\n/dev/vda1 9 9 9 9% /\n", "permitrootlogin yes\n",
		`{"v1":{"datasource":"x","errors":["y"],"init":{"recoverable_errors":{"ERROR":["z"]}}}}`, "boot 1\n/etc/machine-id 2\n",
		`{"MESSAGE":"x","SYSLOG_IDENTIFIER":"y"}`, "\xff\x00\n", "disk -9223372036854775808\n/dev/x -1 -1 -1 1% /\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, judge := range []func() (string, error){
			func() (string, error) { return judgeAccounts(text, text, "") },
			func() (string, error) { return judgeSSHD(text) },
			func() (string, error) { return judgeLayout(text) },
			func() (string, error) { return judgeSpace(text, "space") },
			func() (string, error) { return judgeCloudInit(text) },
			func() (string, error) { _, _, err := older(text); return "", err },
			func() (string, error) { _, err := recoverable(text); return "", err },
			func() (string, error) {
				return "", errors.New(brief(strings.Join(journalMessages(text, harmless), "")))
			},
		} {
			message, err := judge()
			if err != nil {
				message = err.Error()
			}
			if strings.Contains(message, "\n") || len(message) > 10_000 {
				t.Errorf("message %q", message)
			}
		}
	})
}
