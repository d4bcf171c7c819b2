package kickstart

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func mustParse(t *testing.T, syntax Syntax, text string) *Kickstart {
	t.Helper()
	k, err := parseText(syntax, text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCommand(t *testing.T) {
	k := mustParse(t, "F43", `partition /boot/ --type ext4 --size=1_000 --ondrive=vda --grow
services --enabled="a, b,,c"
network --device=eth0 --onboot=no --activate --no-activate
firewall --ssh --service=http,https --port=1:udp
raid /data --device=d --level=RAID1 --useexisting
`)
	part := k.All("part")[0]
	if got := []any{part.Args, part.Value("--fstype"), part.Int("--size"), part.Value("--ondisk"), part.Has("--grow"), part.Has("--size"), part.Has("--asprimary")}; !cmp.Equal(
		got, []any{[]string{"/boot"}, "ext4", 1000, "vda", true, true, false}) {
		t.Errorf("part: %v", got)
	}
	if got := k.Last("services").List("--enabled"); !cmp.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("services: %q", got)
	}
	network := k.Last("network")
	if onboot, given := network.Bool("--onboot"); onboot || !given || network.Has("--activate") || !network.Has("--no-activate") {
		t.Errorf("network: %v", network)
	}
	if got := k.Last("firewall").List("--service"); !cmp.Equal(got, []string{"ssh", "http", "https"}) {
		t.Errorf("firewall: %q", got)
	}
	if got := k.Last("raid").Value("--level"); got != "raid1" {
		t.Errorf("raid level: %q", got)
	}
	if m := mustParse(t, "F43", "mount /dev/vda1 / --reformat").Last("mount"); !m.Has("--reformat") || m.Value("--reformat") != "" || !cmp.Equal(m.Args, []string{"/dev/vda1", "/"}) {
		t.Errorf("mount: %v", m)
	}
	if k.Last("zerombr") != nil || k.All("zerombr") != nil {
		t.Error("a command that is not there was found")
	}
}

// Values stay until they are replaced, flags and defaults do not.
func TestLast(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"bootloader --append=a --timeout=1 --location=none --nombr\nbootloader --append=b", "bootloader --timeout=1 --append=b"},
		{"rootpw --lock --iscrypted x\nrootpw y", "rootpw y"},
		{"rootpw --iscrypted x\nrootpw --lock", "rootpw x --lock"},
		{"clearpart --all --initlabel\nclearpart --drives=vda", "clearpart --all --drives=vda"},
		{"clearpart --all\nclearpart --none", "clearpart --none"},
		{"url --url=http://a\nurl --mirrorlist=http://b", "url --mirrorlist=http://b"},
		{"selinux --enforcing\nselinux --permissive", "selinux --permissive"},
		{"services --enabled=a\nservices --disabled=b", "services --enabled=a --disabled=b"},
		{"timezone UTC --utc\ntimezone --nontp", "timezone UTC --nontp"},
	} {
		k := mustParse(t, "F43", tt.text)
		if got := k.Last(k.Commands[0].Name).String(); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestSections(t *testing.T) {
	k := mustParse(t, "F43", `%pre --interpreter=/usr/bin/python3 --log=/tmp/pre.log
print("a\\b")
%end
%post --nochroot --erroronfail
  echo $releasever \
    and more  
%something else
%end
%onerror
# nothing but a comment is a script as well
%end
%traceback

%end
%addon com_redhat_kdump --enable --reserve-mb='128'
text
%end
%anaconda
pwpolicy root
%end
%certificate --filename=ca.pem --type anchor
PEM
%end
`)
	want := []*Script{
		{Kind: Pre, Interpreter: "/usr/bin/python3", Log: "/tmp/pre.log", Body: "print(\"a\\\\b\")\n"},
		{Kind: Post, Interpreter: "/bin/sh", NoChroot: true, ErrorOnFail: true, Body: "  echo $releasever \\\n    and more  \n%something else\n"},
		{Kind: OnError, Interpreter: "/bin/sh", Body: "# nothing but a comment is a script as well\n"},
	}
	places := cmpopts.IgnoreTypes(Place{})
	if diff := cmp.Diff(want, k.Scripts, places); diff != "" {
		t.Error(diff)
	}
	addons := []*Addon{
		{Section: "%addon", Args: []string{"com_redhat_kdump", "--enable", "--reserve-mb=128"}, Body: "text\n"},
		{Section: "%anaconda", Body: "pwpolicy root\n"},
	}
	if diff := cmp.Diff(addons, k.Addons, places); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]*Certificate{{FileName: "ca.pem", Type: "anchor", Body: "PEM\n"}}, k.Certificates, places); diff != "" {
		t.Error(diff)
	}
	if at := k.Scripts[1].Place.String(); at != "ks.cfg:4:1" {
		t.Errorf("the script is in %s", at)
	}
}

func TestPackages(t *testing.T) {
	k := mustParse(t, "F43", `%packages --excludedocs --nocore --inst-langs=en:de,fr --timeout=5
# a comment
@^old-environment
@^server-environment   # the last one counts
@core --optional
@Sound and Video
-@guest-agents
@fonts --nodefaults
bash
vim*
-kernel
-@Sound and Video
-@^desktop-environment
%end
%packages --ignoremissing --retries=3
kernel
-vim*
%end
`)
	want := &Packages{
		Environment:    "server-environment",
		Groups:         []Group{{Name: "core", Optional: true}, {Name: "fonts", NoDefaults: true}},
		Names:          []string{"bash", "kernel"},
		Excluded:       []string{"vim*"},
		ExcludedGroups: []string{"Sound and Video", "^desktop-environment", "guest-agents"},
		InstLangs:      []string{"en", "de", "fr"},
		IgnoreMissing:  true,
		Retries:        3,
	}
	if diff := cmp.Diff(want, k.Packages, cmpopts.IgnoreTypes(Place{}, map[string]Place{})); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string][]string{
		"%packages\n%end": nil, "%packages --inst-langs=\n%end": {}, "%packages --inst-langs=none\n%end": {"none"},
	} {
		if diff := cmp.Diff(want, mustParse(t, "F43", text).Packages.InstLangs); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if mustParse(t, "F43", "text").Packages != nil {
		t.Error("packages without a section")
	}
}

func TestContinuation(t *testing.T) {
	k := mustParse(t, "F43", "bootloader --append=\"a \\\nb\" \\\r\n  --timeout=1 # c \\\ntext\n%packages \\\n  --nocore\n%end\n")
	if got := k.Last("bootloader").String(); got != `bootloader --append="a b" --timeout=1` {
		t.Error(got)
	}
	if k.Last("text") == nil || !k.Packages.NoCore {
		t.Error("what follows a continued line is lost")
	}
	_, err := parseText("F43", "part / \\\n  --size=1 \\\n    --sizee=2\n")
	if err == nil || err.Error() != "ks.cfg:3:5: unknown option --sizee: did you mean --size?" {
		t.Errorf("the place within continued lines: %v", err)
	}
}
