package kickstart

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// meaning is what a kickstart says, in the terms in which pykickstart's own
// writer says it, so that its output can be compared with ours:
// it writes commands in an order of its own, only the last of those that
// replace each other, some defaults that were not there, and drops what has no
// effect.
type meaning struct {
	Commands     map[string][]string
	Packages     Packages
	Scripts      []Script
	Addons       []Addon
	Certificates []Certificate
}

// listed are the commands of which each one counts.
var listed = strings.Fields("btrfs driverdisk fcoe group iscsi logvol module mount network nvdimm part raid repo snapshot sshkey sshpw timesource user volgroup zfcp")

// families are commands of which the last one counts whatever its name.
var families = map[string]string{
	"halt": "shutdown", "poweroff": "shutdown", "reboot": "shutdown", "shutdown": "shutdown",
	"text": "display", "graphical": "display", "cmdline": "display",
}

// unsaid commands are written although they were not there, or not written
// although they were.
var unsaid = []string{"bootloader[--location=none] []", "auth[] []", "logging[] []"}

func meaningOf(k *Kickstart) meaning {
	m := meaning{Commands: map[string][]string{}}
	last := map[string]string{}
	for _, c := range k.Commands {
		switch family := families[c.Name]; {
		case slices.Contains(listed, c.Name):
			m.Commands[c.Name] = append(m.Commands[c.Name], normal(k, c))
		case family != "":
			last[family] = normal(k, c)
		default:
			last[c.Name] = normal(k, k.Last(c.Name))
		}
	}
	for name, text := range last {
		if !slices.Contains(unsaid, text) {
			m.Commands[name] = []string{text}
		}
	}
	if k.Packages != nil {
		m.Packages = *k.Packages
		m.Packages.Place, m.Packages.Lines = Place{}, nil
	}
	for _, s := range k.Scripts {
		c := *s
		c.Place = Place{}
		m.Scripts = append(m.Scripts, c)
	}
	for _, a := range k.Addons {
		c := *a
		c.Place = Place{}
		c.Body = strings.Join(strings.Fields(c.Body), " ")
		m.Addons = append(m.Addons, c)
	}
	for _, a := range k.Certificates {
		c := *a
		c.Place = Place{}
		m.Certificates = append(m.Certificates, c)
	}
	return m
}

// implied is what pykickstart writes although it was not said, or leaves out
// although it was, because it is the default.
var implied = map[string][]string{
	"bootc":      {"--stateroot=default"},
	"bootloader": {"--location=mbr"},
	"firewall":   {"--enabled"},
	"logging":    {"--level=info"},
	"network":    {"--bootproto=dhcp", "--onboot=true"},
	"nvdimm":     {"--mode=sector"},
	"raid":       {"--spares=0"},
	"repo":       {"--ignoregroups=false"},
	"rootpw":     {"--plaintext"},
	"sshpw":      {"--plaintext"},
	"user":       {"--plaintext"},
}

// encryption options are dropped where nothing is encrypted.
var encryption = []string{"--passphrase", "--escrowcert", "--backuppassphrase", "--cipher", "--luks-version",
	"--pbkdf", "--pbkdf-memory", "--pbkdf-time", "--pbkdf-iterations", "--hw-passphrase"}

// normal writes a command as pykickstart would, options in alphabetical order.
func normal(k *Kickstart, c *Command) string {
	var options []string
	for _, o := range c.Options {
		if text := normalOption(k, c, o); text != "" && !slices.Contains(implied[c.Name], text) {
			options = append(options, text)
		}
	}
	slices.Sort(options)
	name := c.Name
	if name == "poweroff" {
		name = "shutdown"
	}
	return fmt.Sprint(name, options, c.Args)
}

// normalOption is empty for what pykickstart does not write.
func normalOption(k *Kickstart, c *Command, o Option) string {
	encrypts := slices.Contains([]string{"part", "logvol", "raid", "autopart"}, c.Name)
	switch {
	case encrypts && !c.Has("--encrypted") && slices.Contains(encryption, o.Name),
		c.Name == "btrfs" && o.Name == "--noformat", // the same as --useexisting
		c.Name == "bootloader" && c.Has("--disabled") && o.Name != "--disabled",
		c.Name == "logging" && k.Syntax.table().commands["logging"].options[o.Name].discouraged:
		return ""
	case o.plain:
		return o.Name
	case o.Value == "":
		return ""
	}
	value := strings.Join(splitList(o.Value), ",")
	if b, ok := parseBool(value); ok && k.Syntax.table().commands[c.Name].options[o.Name].option.kind == boolean {
		value = fmt.Sprint(b)
	}
	switch c.Name + o.Name {
	case "part--onpart":
		value = strings.TrimPrefix(value, "/dev/")
	case "raid--device":
		value = strings.TrimPrefix(value, "md") // until Fedora 43
	case "ostreecontainer--remote", "ostreesetup--remote", "bootc--target-imgref": // written with the value it has by default
		return ""
	}
	return quoteOption(o.Name, value)
}

// Every Fedora 43 file flattens to what pykickstart makes of it.
func TestCorpusFlattened(t *testing.T) {
	root := corpus(t)
	files, err := filepath.Glob(filepath.Join(root, "flattened/fedora-f43/*.ks"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no flattened kickstarts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := parseText("F43", string(text))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		source := filepath.Join(root, "kickstarts/fedora-f43", filepath.Base(file))
		ours, err := (&Loader{Syntax: "F43"}).Load(context.Background(), source)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		flat, err := Restore(ours.Manifest())
		if err != nil {
			t.Errorf("%s: reading the flattened text: %v", filepath.Base(file), err)
			continue
		}
		if diff := cmp.Diff(meaningOf(theirs), meaningOf(flat)); diff != "" {
			t.Errorf("%s (- pykickstart, + ours): %s", filepath.Base(file), diff)
		}
	}
	t.Logf("%d files", len(files))
}
