package spec

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
)

const fingerprint = "c6e7f081cf80e13146676e88829b606631645531"

// folder makes a folder with files, given by path, and makes it the working folder.
func folder(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const full = `
name: cloud
summary: A cloud image
use-cases: [one, two]
image-release: 20261121.0
releases:
  - version: 43
    keys: [{file: keys/43.asc, fingerprint: "` + fingerprint + `", repositories: [fedora]}]
  - {version: 10.10, syntax: RHEL10, arches: [s390x], vars: {mirror: m10, count: 2}}
arches: [x86_64, aarch64]
vars: {mirror: m, count: 1}
keys: [{url: "https://example.org/key", fingerprint: C6E7 F081 CF80 E131 4667  6E88 829B 6066 3164 5531}]
koji: https://koji.example.org/packages
formats: [qcow2]
budget: {qcow2: 400MiB, installed: 1.5GB}
scripts: {network: true, space: 2 GiB, timeout: 5m}
smoke:
  user: fedora
  firmware: [uefi]
  memory: 1GiB
  tests: [{name: a, command: "false", exit: 1, stdout: ^x, timeout: 90s, severity: warning}]
  skip: [journal]
publish: {oci-push: {repository: ghcr.io/x}}
`

const fullKickstart = "repo --name={{.mirror}}{{.count}} --baseurl=http://{{.name}}/$releasever/{{.release}}/$basearch\n%include fragment.ks.tmpl\n"

func TestRender(t *testing.T) {
	folder(t, map[string]string{
		"specs/cloud/image.yaml": full, "specs/cloud/cloud.ks.tmpl": fullKickstart,
		"specs/cloud/fragment.ks.tmpl": "{{if eq .arch \"s390x\"}}zipl --secure-boot\n{{end}}text\n",
	})
	targets, err := Choice{}.Choose("specs/cloud")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, target := range targets {
		k, err := target.Render(context.Background(), Settings{Vars: map[string]string{"count": "3"}})
		if err != nil {
			t.Fatal(err)
		}
		got[target.ID()] = target.Manifest(k, Settings{}).Kickstart.Text
	}
	want := map[string]string{
		"cloud-43-20261121.0.x86_64":   "#version=F43\nrepo --name=m3 --baseurl=http://cloud/43/43/x86_64\ntext\n",
		"cloud-43-20261121.0.aarch64":  "#version=F43\nrepo --name=m3 --baseurl=http://cloud/43/43/aarch64\ntext\n",
		"cloud-10.10-20261121.0.s390x": "#version=RHEL10\nrepo --name=m103 --baseurl=http://cloud/10.10/10.10/s390x\nzipl --secure-boot\ntext\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestManifest(t *testing.T) {
	folder(t, map[string]string{"specs/cloud/image.yaml": full, "specs/cloud/cloud.ks": "text\n"})
	targets, err := Choice{Versions: []string{"43"}, Arches: []string{"aarch64"}}.Choose("specs/cloud/image.yaml")
	if err != nil || len(targets) != 1 {
		t.Fatal(targets, err)
	}
	k, err := targets[0].Render(context.Background(), Settings{})
	if err != nil {
		t.Fatal(err)
	}
	m := targets[0].Manifest(k, Settings{ImageRelease: "7"})
	if want := (manifest.Image{Name: "cloud", Version: "43", Release: "7", Arch: "aarch64", Summary: "A cloud image"}); m.Image != want {
		t.Errorf("image: %v", m.Image)
	}
	want := &manifest.Spec{
		Path: "specs/cloud", Lock: "specs/cloud/lock.43.aarch64.json", UseCases: []string{"one", "two"}, Koji: new("https://koji.example.org/packages"), Formats: []string{"qcow2"},
		Keys: []manifest.Key{
			{URL: "https://example.org/key", Fingerprint: fingerprint},
			{URL: "specs/cloud/keys/43.asc", Fingerprint: fingerprint, Repositories: []string{"fedora"}},
		},
		Budget:  map[string]int64{"qcow2": 400 << 20, "installed": 1_500_000_000},
		Scripts: manifest.Scripts{Network: true, Space: 2 << 30, Timeout: manifest.Duration(5 * time.Minute)},
		Smoke: manifest.Smoke{User: "fedora", Firmware: []string{"uefi"}, Memory: 1 << 30, Skip: []string{"journal"}, Tests: []manifest.SmokeTest{
			{Name: "a", Command: "false", Exit: 1, Stdout: "^x", Timeout: manifest.Duration(90 * time.Second), Severity: "warning"},
		}},
		Publish: map[string]any{"oci-push": map[string]any{"repository": "ghcr.io/x"}},
	}
	if diff := cmp.Diff(want, m.Spec); diff != "" {
		t.Error(diff)
	}
	if err := m.Write(new(strings.Builder)); err != nil {
		t.Error(err)
	}
}

// Each release has a lock of its own, where there are several.
func TestLock(t *testing.T) {
	one := Target{Spec: &Spec{File: "specs/a/image.yaml", Kickstart: "ks/a.ks", Releases: make([]Release, 1)}, Release: Release{Version: "43"}, Arch: "x86_64"}
	several := one
	several.Spec = &Spec{File: "specs/a/image.yaml", Kickstart: "ks/a.ks", Releases: make([]Release, 2)}
	alone := one
	alone.Spec = &Spec{Kickstart: "ks/a.ks", Releases: make([]Release, 1)}
	for want, target := range map[string]Target{"specs/a/lock.x86_64.json": one, "specs/a/lock.43.x86_64.json": several, "ks/lock.x86_64.json": alone} {
		if got := target.Lock(); got != want {
			t.Errorf("the lock is %s, want %s", got, want)
		}
	}
}

// Errors name the line, and all of them come at once.
func TestSpecErrors(t *testing.T) {
	const good = "name: a\nkickstart: a.ks\narches: [x86_64]\nreleases: [{version: 43}]\n"
	for _, tt := range []struct{ text, want string }{
		{"", "a/image.yaml: is empty"},
		{"nmae: a\n", `a/image.yaml:1:1: unknown field "nmae": did you mean name?`},
		{good + "smoke:\n  tests:\n    - {name: a, comand: b}\n", `a/image.yaml:7:17: unknown field "comand": did you mean command?`},
		{"name: [a\n", "a/image.yaml:1:7: sequence end token ']' not found"},
		{"name: a\n---\nname: b\n", "a/image.yaml: holds more than one YAML document"},
		{"name: a\nvars: {x: &a [1], y: *a}\n", "a/image.yaml:2:22: aliases are not supported: a few could stand for any amount of text"},
		{"name: a\nreleases: 3\n", "a/image.yaml:2:11: int was used where sequence is expected"},
		{"name: a/b\nkickstart: a.ks\n", "a/image.yaml:1:7: name: \"a/b\" may hold letters, digits and . _ + ~ ^ - only, and must begin with a letter or digit\n" +
			"a/image.yaml:1:5: releases is missing: a spec needs one at least"},
		{"kickstart: a.ks\nreleases:\n  - syntax: F4x\n", "a/image.yaml:1:10: name is missing\na/image.yaml:3:11: version is missing\n" +
			"a/image.yaml:3:11: arches is missing, for this release and for the spec\na/image.yaml:3:13: unknown kickstart syntax \"F4x\""},
		{strings.Replace(good, "kickstart: a.ks\n", "", 1), "a/image.yaml:1:7: there is no a.ks and no a.ks.tmpl beside the spec, and it names no kickstart"},
		{good + "keys:\n- {url: x, file: y, fingerprint: abc}\n", "a/image.yaml:6:3: a key needs one of url and file\n" +
			"a/image.yaml:6:34: a key needs its whole fingerprint, 40 hexadecimal digits, or 64 for version 6 keys"},
		{good + "budget: {qcow2: 4 MB, raw: lots}\n", `a/image.yaml:5:28: "lots" is no size: write it like 400MiB or 1.5GB`},
		{good + "koji: /srv/packages\n", `a/image.yaml:5:7: "/srv/packages" is no URL: write it like https://kojipkgs.fedoraproject.org/packages/, or "" for none`},
		{good + "scripts: {timeout: 5}\n", `a/image.yaml:5:20: "5" is no duration: write it like 90s or 5m`},
		{good + "vars:\n  release: 1\n  a-b: 2\n", "a/image.yaml:6:10: a variable cannot be called \"a-b\": letters, digits and _ only\n" +
			"a/image.yaml:6:12: the variable release is given already and cannot be set"},
		{good + "vars:\n  a:\n", "a/image.yaml:6:6: the variable a has no value"},
		{good + "smoke:\n  firmware: [coreboot]\n  tests:\n  - {name: a, command: b, stdout: \"(\"}\n  - {name: a, command: b, severity: fatal}\n  - name: c\n",
			"a/image.yaml:6:14: firmware cannot be \"coreboot\", only bios and uefi\n" +
				"a/image.yaml:8:35: stdout is no regular expression: error parsing regexp: missing closing ): `(`\n" +
				"a/image.yaml:9:12: there is another test called \"a\"\na/image.yaml:9:37: severity cannot be \"fatal\", only error and warning\n" +
				"a/image.yaml:10:9: a test needs a name and a command"},
	} {
		_, err := parse("a/image.yaml", []byte(tt.text))
		if diff := cmp.Diff(tt.want, fmt.Sprint(err)); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		vars map[string]string
		want string
	}{
		{"text\nurl --url={{.miror}}\n", nil, "s/s.ks.tmpl:2:13: the template uses the variable miror, which is not set: did you mean mirror?"},
		{"text\n{{if}}\n", nil, "s/s.ks.tmpl:2: missing value for if"},
		{"{{index .mirror 99}}\n", nil, "s/s.ks.tmpl:1:3: error calling index: index out of range: 99 in the template's <index .mirror 99>"},
		{"text\n{{.mirror}}\n", nil, "s/s.ks.tmpl:2:1: unknown command m"},
		{"{{if .mirror}}\ntext\n{{else}}\na\nb\n{{end}}\nlang de_DE en_US\n", nil, "s/s.ks.tmpl:7:12: unexpected argument \"en_US\" of lang"},
		{"{{if false}}\n\n{{end}}\ntext {{\"\\x00\"}}\n", nil, "s/s.ks.tmpl:4: holds a NUL byte: is it a kickstart?"},
		{"text\n", map[string]string{"miror": "x"}, `the spec of s has no variable "miror"`},
		{"text\n", map[string]string{"arch": "x"}, "the variable arch is given already and cannot be set"},
		{"{{range 100000000}}text{{end}}\n", nil, "s/s.ks.tmpl: the template comes to more than 4 MiB"},
	} {
		folder(t, map[string]string{
			"s/image.yaml": "name: s\narches: [x86_64]\nreleases: [{version: 43}]\nvars: {mirror: m}\n", "s/s.ks.tmpl": tt.text,
		})
		targets, err := Choice{}.Choose("s")
		if err != nil {
			t.Fatal(err)
		}
		_, err = targets[0].Render(context.Background(), Settings{Vars: tt.vars})
		if fmt.Sprint(err) != tt.want {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestChoose(t *testing.T) {
	folder(t, map[string]string{
		"cloud/image.yaml": full, "cloud/cloud.ks": "text\n", "alone.ks": "#version=F42\ntext\n", "tmpl.ks.tmpl": "{{.release}} {{.x}}\n", "empty/x": "",
	})
	for _, tt := range []struct {
		arg    string
		choice Choice
		want   string
	}{
		{"cloud", Choice{}, "[cloud-43-20261121.0.x86_64 cloud-43-20261121.0.aarch64 cloud-10.10-20261121.0.s390x]"},
		{"cloud", Choice{Name: "other", Arches: []string{"s390x", "x86_64"}}, "[other-43-20261121.0.x86_64 other-10.10-20261121.0.s390x]"},
		{"cloud", Choice{Versions: []string{"44"}}, `cloud is not made for release "44" (did you mean 43? It is made for 43, 10.10)`},
		{"cloud", Choice{Arches: []string{"arm64"}}, `cloud is not made for architecture "arm64" (it is made for aarch64, s390x, x86_64)`},
		{"alone.ks", Choice{Arches: []string{"aarch64"}}, "[alone--0.aarch64]"},
		{"tmpl.ks.tmpl", Choice{Versions: []string{"43"}, Arches: []string{"x86_64"}}, "[tmpl-43-0.x86_64]"},
		{"-", Choice{Versions: []string{"43"}, Arches: []string{"x86_64"}}, "[kickstart-43-0.x86_64]"},
		{"alone.ks", Choice{Versions: []string{"42", "43"}}, "alone.ks: a kickstart without a spec is for one release and one architecture"},
		{"empty", Choice{}, "open empty/image.yaml: no such file or directory (a spec is a folder that holds image.yaml)"},
	} {
		targets, err := tt.choice.Choose(tt.arg)
		ids := []string{}
		for _, target := range targets {
			ids = append(ids, target.ID())
		}
		got := fmt.Sprint(ids)
		if err != nil {
			got = err.Error()
			for _, h := range hint.Of(err) {
				got += " (" + h + ")"
			}
		}
		if got != tt.want {
			t.Errorf("%s %v: %s, want %s", tt.arg, tt.choice, got, tt.want)
		}
	}
}

// The release of a kickstart without a spec comes from its #version=, and its
// syntax from its release, where nothing else says.
func TestAlone(t *testing.T) {
	folder(t, map[string]string{"f.ks": "#version=F42\ntext\n", "r.ks": "#version=RHEL9\ntext\n", "n.ks": "text\n"})
	for _, tt := range []struct {
		file    string
		version []string
		set     Settings
		want    string
	}{
		{"f.ks", nil, Settings{}, "42 F42"},
		{"f.ks", []string{"43"}, Settings{}, "43 F42"},
		{"f.ks", nil, Settings{Syntax: "F44"}, " F44"},
		{"r.ks", nil, Settings{}, "9 RHEL9"},
		{"n.ks", nil, Settings{}, " F45"},
		{"n.ks", []string{"43"}, Settings{}, "43 F43"},
		{"n.ks", []string{"10.1"}, Settings{}, "10.1 RHEL10"},
		{"n.ks", []string{"rawhide"}, Settings{}, "rawhide F45"},
	} {
		targets, err := Choice{Versions: tt.version}.Choose(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		k, err := targets[0].Render(context.Background(), tt.set)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(targets[0].Release.Version, " ", k.Syntax); got != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.file, tt.version, got, tt.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "7": 7, "7B": 7, "2KiB": 2048, "1.5 MiB": 3 << 19, "1GB": 1e9, "3TiB": 3 << 40, "2kB": 2000} {
		if got, err := ParseSize(s); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"MiB", "-1", "1 PiB", "1e300", "NaN", "Inf", "x", "1 2"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q is taken for %d", s, got)
		}
	}
}

// An image.yaml can be anything.
func FuzzSpec(f *testing.F) {
	f.Add(full)
	f.Add("name: &a b\nvars: {x: *a}\n")
	f.Add("name: a\nkickstart: b\narches: [c]\nreleases: [{version: 1}]\nsmoke: {tests: [{}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse("a/image.yaml", []byte(text))
		if err == nil && (s.Name == "" || len(s.Releases) == 0) {
			t.Errorf("%q is taken for a spec", text)
		}
	})
}
