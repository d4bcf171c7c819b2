package kickstart

import (
	"path/filepath"
	"slices"
	"strings"
)

// checks are the rules of single commands that tables.txt cannot express.
var checks = map[string]func(*parser, *reading){
	"autopart":    checkAutopart,
	"bootloader":  checkBootloader,
	"btrfs":       checkBtrfs,
	"driverdisk":  checkDriverdisk,
	"keyboard":    checkKeyboard,
	"logvol":      checkLogvol,
	"mount":       checkMount,
	"network":     checkNetwork,
	"nvdimm":      checkNvdimm,
	"ostreesetup": checkOstreesetup,
	"part":        checkPart,
	"raid":        checkRaid,
	"realm":       checkRealm,
	"rhsm":        checkRhsm,
	"rootpw":      checkRootpw,
	"snapshot":    checkSnapshot,
	"sshpw":       checkSshpw,
	"timezone":    checkTimezone,
	"user":        checkUser,
	"volgroup":    checkVolgroup,
	"zerombr":     checkZerombr,
	"zfcp":        checkZfcp,
}

// check applies the command's own check and reports whether it passed.
func (p *parser) check(r *reading) bool {
	if check := checks[r.syntax.name]; check != nil {
		check(p, r)
	}
	return !r.failed
}

func checkBootloader(_ *parser, r *reading) {
	if strings.Contains(r.command.Value("--boot-drive"), ",") {
		r.fail(r.at("--boot-drive"), "option --boot-drive takes one drive")
	}
}

func checkKeyboard(_ *parser, r *reading) {
	c := r.command
	if len(c.Args) == 0 && c.Value("--vckeymap") == "" && len(c.List("--xlayouts")) == 0 {
		r.fail(c.Place, "keyboard needs a layout, --vckeymap or --xlayouts")
	}
}

func checkNetwork(_ *parser, r *reading) {
	c := r.command
	if c.Value("--bindto") == "mac" && c.Value("--vlanid") != "" && c.Value("--bondopts") == "" {
		r.fail(r.at("--bindto"), "option --bindto=mac does not go with --vlanid")
	}
	if c.Value("--bridgeopts") == "" {
		return
	}
	for pair := range strings.SplitSeq(c.Value("--bridgeopts"), ",") {
		if _, value, _ := strings.Cut(pair, "="); value == "" || strings.Contains(value, "=") {
			r.fail(r.at("--bridgeopts"), "option --bridgeopts needs KEY=VALUE pairs with commas between them, not %q", pair)
			return
		}
	}
}

func checkOstreesetup(_ *parser, r *reading) {
	url := r.command.Value("--url")
	if !slices.ContainsFunc([]string{"file:", "http:", "https:"}, func(scheme string) bool { return strings.HasPrefix(url, scheme) }) {
		r.fail(r.at("--url"), "option --url must begin with file:, http: or https:, not %q", url)
	}
}

// checkRealm reads "join [OPTION...] REALM", whose options are realmd's.
func checkRealm(p *parser, r *reading) {
	c := r.command
	if action := c.arg(0); action != "join" {
		r.fail(c.Place, "realm needs the action join, not %q", action)
		return
	}
	for _, before := range p.kickstart.All("realm") {
		r.fail(c.Place, "realm join can be given once only: it stands in %s already", before.Place)
	}
	join := &command{name: "realm join", arguments: []argument{{name: "<realm>"}}, options: map[string]*spelling{}}
	for _, o := range strings.Fields("--client-software=TEXT --server-software=TEXT --membership-software=TEXT --one-time-password=TEXT --no-password --computer-ou=TEXT") {
		join.add(o)
	}
	inner := &reading{findings: r.findings, syntax: join, command: &Command{Place: c.Place}, words: r.words[1:], place: r.place, ordered: true}
	r.failed = !inner.read() || r.failed
}

func checkRhsm(_ *parser, r *reading) {
	if slices.Contains(r.command.Values("--activation-key"), "") {
		r.fail(r.at("--activation-key"), "option --activation-key cannot be empty")
	}
}

// warnPlain points at a password that can be read by whoever sees the image's manifest.
func warnPlain(r *reading, at Place) {
	if !r.command.Has("--iscrypted") && !r.command.Has("--lock") {
		r.warn(at, "the password of %s is in plain text, and so it will be in the manifest: use --iscrypted", r.syntax.name)
	}
}

func checkRootpw(_ *parser, r *reading) {
	switch {
	case len(r.command.Args) > 0:
		warnPlain(r, r.command.Place)
	case !r.command.Has("--lock"):
		r.fail(r.command.Place, "rootpw needs a password or option --lock")
	}
}

func checkUser(_ *parser, r *reading) {
	if r.given("--password") {
		warnPlain(r, r.at("--password"))
	}
}

func checkSshpw(_ *parser, r *reading) {
	switch {
	case len(r.command.Args) == 0:
		r.fail(r.command.Place, "sshpw needs a password")
	case !r.command.Has("--sshkey"):
		warnPlain(r, r.command.Place)
	}
}

func checkTimezone(_ *parser, r *reading) {
	if len(r.command.Args) == 0 && len(r.command.Options) == 0 {
		r.fail(r.command.Place, "timezone needs a time zone or an option")
	}
}

// checkZerombr lets the "yes" pass that the command took long ago.
func checkZerombr(_ *parser, r *reading) {
	if len(r.command.Args) > 0 {
		r.warn(r.command.Place, "zerombr takes no arguments any more")
		r.command.Args = nil
	}
}

// installTime reports whether a path lies where only the installer's own
// system or its scripts put files.
func installTime(name string) bool {
	for _, folder := range []string{"/tmp", "/var/tmp", "/run", "/mnt", "/dev/shm"} {
		if strings.HasPrefix(filepath.Clean(name), folder+"/") {
			return true
		}
	}
	return false
}
