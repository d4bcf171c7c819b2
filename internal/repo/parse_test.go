package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/compression"
	"github.com/respin-project/respin/internal/rpm"
)

var sum = strings.Repeat("ab", 32)

// tokens is what the scanner finds, in a compact form.
func tokens(r io.Reader) (string, error) {
	s := newScanner(r)
	var b strings.Builder
	for {
		err := s.next()
		if err == io.EOF {
			return b.String(), nil
		} else if err != nil {
			return b.String(), err
		}
		switch s.kind {
		case startToken:
			fmt.Fprintf(&b, "<%s", s.name)
			for _, a := range s.attrs {
				fmt.Fprintf(&b, " %s=%q", a.name, a.value)
			}
			b.WriteString(">")
		case endToken:
			fmt.Fprintf(&b, "</%s>", s.name)
		case textToken:
			b.Write(s.text)
		}
	}
}

func TestScanner(t *testing.T) {
	for in, want := range map[string]string{
		"<?xml version=\"1.0\"?>\n<a/>":                           "\n<a></a>",
		"\xef\xbb\xbf<a></a>\n":                                   "\xef\xbb\xbf<a></a>\n",
		"<!DOCTYPE comps PUBLIC \"x\" 'y'><a/>":                   "<a></a>",
		"<a b='1' c = \"2\"\n\td:e=\"\"/>":                        `<a b="1" c="2" d:e=""></a>`,
		"<rpm:entry name='x>y' z=\"'\"/>":                         `<entry name="x>y" z="'"></entry>`,
		"<a>x &lt;&amp;&gt;&quot;&apos; &#65;&#x42;&#x1F600;</a>": "<a>x <&>\"' AB😀</a>",
		"<a>x<!-- <b> -- -->y<?z ?>w</a>":                         "<a>xyw</a>",
		"<a><![CDATA[<&>]]]></a>":                                 "<a><&>]</a>",
		"<a ><b></b ></a\n>":                                      "<a><b></b></a>",
		"<a b=\"&#10;&gt;\"/>":                                    "<a b=\"\\n>\"></a>",
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(in), "bytewise": iotest.OneByteReader(strings.NewReader(in))} {
			got, err := tokens(r)
			if err != nil || got != want {
				t.Errorf("%s, %q: got %q, %v, want %q", name, in, got, err, want)
			}
		}
	}
	for in, want := range map[string]string{
		"<a>":                                  "unexpected EOF",
		"<a":                                   "unexpected EOF",
		"<a></b>":                              "</b> ends nothing that was begun",
		"</a>":                                 "</a> ends nothing that was begun",
		"<a b>":                                `attribute "b" of <a> has no value`,
		"<a b=c>":                              `attribute "b" of <a> is not quoted`,
		"<a b=\"c>":                            "unexpected EOF",
		"<a b=\"1\"c=\"2\"/>":                  "malformed attributes",
		"<a>&nbsp;</a>":                        "&nbsp; is no entity",
		"<a>& b</a>":                           "is no entity",
		"<a>&#0;</a>":                          "is no entity",
		"<a>&#xD800;</a>":                      "is no entity",
		"<a>&#99999999999;</a>":                "is no entity",
		"<>":                                   "a tag without a name",
		"text":                                 "text outside of the root element",
		"<!DOCTYPE a [<!ENTITY b \"c\">]><a/>": "not supported",
		"<a><!ELEMENT b></a>":                  "not supported",
		"<a><!-- x":                            "unexpected EOF",
		"<a><![CDATA[x":                        "unexpected EOF",
		strings.Repeat("<a>", 65):              "nested too deeply",
		"<a " + strings.Repeat("b='' ", 65) + "/>": "malformed attributes",
	} {
		if got, err := tokens(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestScannerBounds(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"endless text":    io.MultiReader(strings.NewReader("<a>"), endless('x')),
		"endless tag":     io.MultiReader(strings.NewReader("<a b=\""), endless('>')),
		"endless comment": io.MultiReader(strings.NewReader("<!--"), endless('-')),
		"endless name":    io.MultiReader(strings.NewReader("<"), endless('a')),
	} {
		if _, err := tokens(r); err == nil || !strings.Contains(err.Error(), "longer than anything honest") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

const primaryText = `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
<package type="rpm">
  <name>hello</name>
  <arch>x86_64</arch>
  <version epoch="1" ver="2.0" rel="3.fc43"/>
  <checksum type="sha256" pkgid="YES">SUM</checksum>
  <summary>Says &lt;hello&gt;</summary>
  <description>A
long text</description>
  <packager>Someone</packager>
  <url>https://example.org</url>
  <time file="1700000001" build="1700000000"/>
  <size package="1234" installed="5678" archive="6000"/>
  <location href="Packages/h/hello-2.0-3.fc43.x86_64.rpm"/>
  <format>
    <rpm:license>GPL-3.0-or-later AND MIT</rpm:license>
    <rpm:vendor>Fedora Project</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>build.example.org</rpm:buildhost>
    <rpm:sourcerpm>hello-2.0-3.fc43.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="12345"/>
    <rpm:provides>
      <rpm:entry name="hello" flags="EQ" epoch="1" ver="2.0" rel="3.fc43"/>
      <rpm:entry name="hello(x86-64)" flags="EQ" epoch="1" ver="2.0" rel="3.fc43"/>
    </rpm:provides>
    <rpm:requires>
      <rpm:entry name="/bin/sh" pre="1"/>
      <rpm:entry name="libc.so.6(GLIBC_2.38)(64bit)"/>
      <rpm:entry name="(a or b)"/>
      <rpm:entry name="info" flags="GE" epoch="0" ver="7"/>
    </rpm:requires>
    <rpm:conflicts><rpm:entry name="c" flags="LT" epoch="0" ver="1" rel="2"/></rpm:conflicts>
    <rpm:obsoletes><rpm:entry name="o" flags="LE" epoch="0" ver="1"/></rpm:obsoletes>
    <rpm:recommends><rpm:entry name="r" flags="GT" epoch="0" ver="1"/></rpm:recommends>
    <rpm:suggests><rpm:entry name="s"/></rpm:suggests>
    <rpm:supplements><rpm:entry name="u"/></rpm:supplements>
    <rpm:enhances><rpm:entry name="e"/></rpm:enhances>
    <file>/usr/bin/hello</file>
    <file type="dir">/etc/hello.d</file>
    <file type="ghost">/etc/hello.conf</file>
  </format>
</package>
</metadata>
`

func TestParsePrimary(t *testing.T) {
	want := Package{
		NEVRA:     rpm.NEVRA{Name: "hello", EVR: rpm.EVR{Epoch: 1, Version: "2.0", Release: "3.fc43"}, Arch: "x86_64"},
		Checksum:  cache.Digest{Algorithm: "sha256", Hex: sum},
		Location:  "Packages/h/hello-2.0-3.fc43.x86_64.rpm",
		Size:      1234,
		Installed: 5678,
		BuildTime: 1700000000,
		Source:    "hello-2.0-3.fc43.src.rpm",
		License:   "GPL-3.0-or-later AND MIT",
		Summary:   "Says <hello>",
		Provides:  []Relation{{"hello", Equal, false, "1:2.0-3.fc43"}, {"hello(x86-64)", Equal, false, "1:2.0-3.fc43"}},
		Requires:  []Relation{{"/bin/sh", 0, true, ""}, {"libc.so.6(GLIBC_2.38)(64bit)", 0, false, ""}, {"(a or b)", 0, false, ""}, {"info", Greater | Equal, false, "7"}},
		Conflicts: []Relation{{"c", Less, false, "1-2"}}, Obsoletes: []Relation{{"o", Less | Equal, false, "1"}},
		Recommends: []Relation{{"r", Greater, false, "1"}}, Suggests: []Relation{{Name: "s"}}, Supplements: []Relation{{Name: "u"}}, Enhances: []Relation{{Name: "e"}},
		Files: []File{{"/usr/bin/hello", Regular}, {"/etc/hello.d", Dir}, {"/etc/hello.conf", Ghost}},
	}
	for name, r := range map[string]io.Reader{
		"whole":    strings.NewReader(strings.Replace(primaryText, "SUM", sum, 1)),
		"bytewise": iotest.OneByteReader(strings.NewReader(strings.Replace(primaryText, "SUM", sum, 1))),
	} {
		var got []*Package
		err := parsePrimary(r, func(p *Package) error { got = append(got, p); return nil })
		if diff := cmp.Diff([]*Package{&want}, got, cmpopts.IgnoreUnexported()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	want.License, want.Source, want.Files = "", "", nil
	want.Provides, want.Requires, want.Conflicts, want.Recommends, want.Suggests, want.Supplements, want.Enhances = nil, nil, nil, nil, nil, nil, nil
	var got []*Package
	err := parseOutline(strings.NewReader(strings.Replace(primaryText, "SUM", sum, 1)), func(p *Package) error { got = append(got, p); return nil })
	if diff := cmp.Diff([]*Package{&want}, got, cmpopts.IgnoreUnexported()); err != nil || diff != "" {
		t.Errorf("outline: %v\n%s", err, diff)
	}
}

func TestParsePrimaryErrors(t *testing.T) {
	text := strings.Replace(primaryText, "SUM", sum, 1)
	for _, test := range []struct{ old, new, want string }{
		{"<metadata", "<meta", "primary, line 2: it is a <meta> instead of a <metadata>"},
		{"</metadata>", "", "primary, line 43: unexpected EOF"},
		{"<name>hello", "<name>../hello", `package "../hello": its name is "../hello"`},
		{"<name>hello</name>", "", `its name is ""`},
		{`ver="2.0"`, `ver=""`, `package "hello": its version is ""`},
		{`epoch="1" ver`, `epoch="x" ver`, `epoch "x"`},
		{sum, sum[1:], "is no sha256 checksum"},
		{`type="sha256"`, `type="sha"`, `checksum type "sha" is too weak to be trusted`},
		{"Packages/h/", "/etc/", `its location is "/etc/hello`},
		{"Packages/h/", "https://evil.example/", `its location is "https://`},
		{`package="1234"`, `package="-1"`, `"-1" is no number`},
		{`flags="GE"`, `flags="NE"`, `dependency "info" compares with "NE"`},
		{`<rpm:entry name="/bin/sh"`, `<rpm:entry`, "a dependency without a name"},
		{"</format>", "</formats>", "line 42: package \"hello\": </formats> ends nothing that was begun"},
		{"</metadata>\n", "</metadata><more/>", "something follows the root element"},
	} {
		in := strings.Replace(text, test.old, test.new, 1)
		err := parsePrimary(strings.NewReader(in), func(*Package) error { return nil })
		var e *MetadataError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q for %q: error is %v, want %q", test.new, test.old, err, test.want)
		}
	}
	stop := errors.New("stop")
	if err := parsePrimary(strings.NewReader(text), func(*Package) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error is %v", err)
	}
}

func TestParseRepomd(t *testing.T) {
	text := `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1700000000</revision>
  <tags><distro cpeid="x">Fedora</distro></tags>
  <data type="primary">
    <checksum type="sha256">` + sum + `</checksum>
    <open-checksum type="sha256">` + sum + `</open-checksum>
    <location href="repodata/x-primary.xml.zst"/>
    <timestamp>1700000001.5</timestamp>
    <size>12</size>
    <open-size>34</open-size>
  </data>
  <data type="group"><checksum type="sha256">` + sum + `</checksum><location xml:base="https://example.org/" href="comps.xml"/></data>
</repomd>`
	d := cache.Digest{Algorithm: "sha256", Hex: sum}
	want := &repomd{"1700000000", []Record{
		{"primary", "repodata/x-primary.xml.zst", "", d, 12, d, 34, 1700000001},
		{"group", "comps.xml", "https://example.org/", d, -1, cache.Digest{}, -1, 0},
	}}
	got, err := parseRepomd([]byte(text))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(repomd{})); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, test := range []struct{ old, new, want string }{
		{"<repomd", "<html", "instead of a <repomd>"},
		{`"primary"`, `"secondary"`, "repomd.xml, line 14: it names no primary metadata"},
		{`href="repodata/`, `href="/etc/`, `repomd.xml, line 12: "primary": its location is "/etc/`},
		{`<location href="repodata/x-primary.xml.zst"/>`, "", `"primary": its location is ""`},
		{`    <checksum type="sha256">` + sum + `</checksum>`, "", `"primary": it has no checksum`},
		{"<size>12", "<size>twelve", `"twelve" is no number`},
	} {
		if _, err := parseRepomd([]byte(strings.Replace(text, test.old, test.new, 1))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error is %v, want %q", test.new, err, test.want)
		}
	}
}

func TestParseMetalink(t *testing.T) {
	current, older := cache.SHA256([]byte("current")).Hex, cache.SHA256([]byte("older")).Hex
	text := `<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp>1700000000</mm0:timestamp>
   <size>7</size>
   <verification><hash type="md5">abc</hash><hash type="sha1">def</hash><hash type="sha256">` + current + `</hash></verification>
   <mm0:alternates><mm0:alternate><mm0:timestamp>1</mm0:timestamp><size>5</size>
     <verification><hash type="md5">abc</hash><hash type="sha256">` + older + `</hash></verification></mm0:alternate></mm0:alternates>
   <resources maxconnections="1">
    <url protocol="rsync" type="rsync" location="DE" preference="100">rsync://a.example/repodata/repomd.xml</url>
    <url protocol="http" type="http" location="DE" preference="97">http://b.example/os/repodata/repomd.xml</url>
    <url protocol="https" type="https" location="DE" preference="99">https://c.example/os/repodata/repomd.xml</url>
    <url protocol="https" type="https" location="DE" preference="97">https://d.example/os/repodata/repomd.xml
    </url>
   </resources>
  </file>
 </files>
</metalink>`
	m, err := parseMetalink([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"https://c.example/os/", "http://b.example/os/", "https://d.example/os/"}, m.bases); diff != "" {
		t.Error(diff)
	}
	for data, ok := range map[string]bool{"current": true, "older": true, "currenT": false, "oldest": false, "": false} {
		if err := m.check([]byte(data)); (err == nil) != ok || err != nil && !errors.Is(err, cache.ErrBadDigest) {
			t.Errorf("%q: %v", data, err)
		}
	}
	for _, test := range []struct{ old, new, want string }{
		{"repomd.xml", "other.xml", "it is not about a repomd.xml"},
		{`<hash type="sha256">` + current + `</hash>`, "", "it has no checksum that can be trusted"},
		{current, current[1:], "is no sha256 checksum"},
		{"preference=\"97\"", "preference=\"x\"", "is no number"},
		{"</files>", "", "ends nothing that was begun"},
	} {
		if _, err := parseMetalink([]byte(strings.Replace(text, test.old, test.new, 1))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error is %v, want %q", test.new, err, test.want)
		}
	}
	if _, err := parseMetalink([]byte(strings.ReplaceAll(text, "http", "ftp"))); err == nil || !strings.Contains(err.Error(), "names no mirror") {
		t.Errorf("error is %v", err)
	}
}

func TestParseMirrorlist(t *testing.T) {
	got, err := parseMirrorlist([]byte("# comment\nhttps://a.example/x/\n\nrsync://b.example/\nnonsense\nhttp://c.example/y\r\n"))
	if diff := cmp.Diff([]string{"https://a.example/x/", "http://c.example/y"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := parseMirrorlist([]byte("<html>\n")); err == nil {
		t.Error("a page is no mirror list")
	}
}

const compsText = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>core</id>
    <name>Core</name>
    <name xml:lang="de">Kern</name>
    <description>Smallest possible</description>
    <default>true</default>
    <uservisible>false</uservisible>
    <display_order>7</display_order>
    <packagelist>
      <packagereq type="mandatory">bash</packagereq>
      <packagereq type="default">dnf</packagereq>
      <packagereq type="optional">vim</packagereq>
      <packagereq type="conditional" requires="gnome" basearchonly="true">gnome-x</packagereq>
      <packagereq>plain</packagereq>
    </packagelist>
  </group>
  <group><id>other</id></group>
  <environment>
    <id>cloud-server-environment</id>
    <name>Cloud</name>
    <display_order>3</display_order>
    <grouplist><groupid>core</groupid><groupid>cloud</groupid></grouplist>
    <optionlist><groupid default="true">tools</groupid><groupid>other</groupid></optionlist>
  </environment>
  <category><id>base</id><name>Base</name><grouplist><groupid>core</groupid></grouplist></category>
  <langpacks><match name="firefox" install="firefox-langpack-%s"/></langpacks>
  <whiteout><ignoredep requires="a" package="b"/></whiteout>
</comps>
`

func TestParseComps(t *testing.T) {
	want := &Comps{
		Groups: []Group{
			{ID: "core", Name: "Core", Description: "Smallest possible", Default: true, Order: 7, Packages: []GroupPackage{
				{Name: "bash"}, {Name: "dnf", Type: Default}, {Name: "vim", Type: Optional},
				{Name: "gnome-x", Type: Conditional, Requires: "gnome", BaseArchOnly: true}, {Name: "plain"},
			}},
			{ID: "other", Visible: true},
		},
		Environments: []Environment{{ID: "cloud-server-environment", Name: "Cloud", Order: 3, Groups: []string{"core", "cloud"},
			Options: []EnvironmentOption{{"tools", true}, {"other", false}}}},
		Categories: []Category{{ID: "base", Name: "Base", Groups: []string{"core"}}},
		Langpacks:  []Langpack{{"firefox", "firefox-langpack-%s"}},
	}
	got, err := parseComps(strings.NewReader(compsText))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if got.Group("core") != &got.Groups[0] || got.Group("x") != nil || got.Environment("cloud-server-environment") == nil || got.Environment("core") != nil {
		t.Error("groups are not found")
	}
	only := got.Only([]string{"cloud-server-environment"}, []string{"core"})
	again, err := parseComps(bytes.NewReader(only.Text()))
	if diff := cmp.Diff(only, again); err != nil || diff != "" || len(only.Groups) == 0 || len(only.Environments) != 1 {
		t.Errorf("written and read again: %v\n%s", err, diff)
	}
	for _, test := range []struct{ old, new, want string }{
		{"<id>core</id>", "", `comps, line 19: group "": it has no id`},
		{`type="optional"`, `type="perhaps"`, `group "core": a package of type "perhaps"`},
	} {
		if _, err := parseComps(strings.NewReader(strings.Replace(compsText, test.old, test.new, 1))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v, want %q", err, test.want)
		}
	}
}

const updateinfoText = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="updates@fedoraproject.org" status="final" type="security" version="2.0">
    <id>FEDORA-2026-0123456789</id>
    <title>hello-2.0-4.fc43</title>
    <issued date="2026-01-31 12:00:00"/>
    <updated date="2026-02-01 12:00:00"/>
    <severity>Important</severity>
    <summary>hello update</summary>
    <description>Fixes a bug</description>
    <references>
      <reference href="https://bugzilla.example/1" id="1" type="bugzilla" title="CVE-2026-1 hello: bug"/>
      <reference href="https://nvd.example/CVE-2026-2" id="CVE-2026-2" type="cve" title="b"/>
      <reference href="https://nvd.example/CVE-2026-1" id="CVE-2026-1" type="cve" title="a"/>
      <reference href="https://nvd.example/CVE-2026-1" id="CVE-2026-1" type="cve" title="a"/>
    </references>
    <pkglist>
      <collection short="F43">
        <name>Fedora 43</name>
        <package name="hello" version="2.0" release="4.fc43" epoch="1" arch="x86_64" src="https://example.org/hello.src.rpm">
          <filename>hello-2.0-4.fc43.x86_64.rpm</filename>
          <sum type="sha256">x</sum>
          <reboot_suggested>True</reboot_suggested>
        </package>
        <package name="hello-doc" version="2.0" release="4.fc43" epoch="" arch="noarch"><filename>a.rpm</filename><reboot_suggested/></package>
        <package name="hello-x" version="2.0" release="4.fc43" arch="noarch"><reboot_suggested>False</reboot_suggested></package>
      </collection>
    </pkglist>
  </update>
</updates>
`

func TestParseUpdateinfo(t *testing.T) {
	evr := func(epoch int) rpm.EVR { return rpm.EVR{Epoch: epoch, Version: "2.0", Release: "4.fc43"} }
	want := Advisory{
		ID: "FEDORA-2026-0123456789", Type: "security", Severity: "Important", Status: "final", Title: "hello-2.0-4.fc43", Summary: "hello update",
		Description: "Fixes a bug", Issued: "2026-01-31 12:00:00", Updated: "2026-02-01 12:00:00",
		References: []Reference{
			{"bugzilla", "1", "CVE-2026-1 hello: bug", "https://bugzilla.example/1"},
			{"cve", "CVE-2026-2", "b", "https://nvd.example/CVE-2026-2"},
			{"cve", "CVE-2026-1", "a", "https://nvd.example/CVE-2026-1"},
			{"cve", "CVE-2026-1", "a", "https://nvd.example/CVE-2026-1"},
		},
		Packages: []AdvisoryPackage{
			{rpm.NEVRA{Name: "hello", EVR: evr(1), Arch: "x86_64"}, "hello-2.0-4.fc43.x86_64.rpm", true},
			{rpm.NEVRA{Name: "hello-doc", EVR: evr(0), Arch: "noarch"}, "a.rpm", true},
			{rpm.NEVRA{Name: "hello-x", EVR: evr(0), Arch: "noarch"}, "", false},
		},
	}
	got, err := parseUpdateinfo(strings.NewReader(updateinfoText))
	if diff := cmp.Diff([]Advisory{want}, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"CVE-2026-1", "CVE-2026-2"}, got[0].CVEs()); diff != "" {
		t.Error(diff)
	}
}

func TestSatisfies(t *testing.T) {
	relation := func(s string) Relation {
		f := strings.Fields(s)
		if len(f) == 1 {
			return Relation{Name: f[0]}
		}
		return Relation{f[0], map[string]Sense{"=": Equal, "<": Less, "<=": Less | Equal, ">": Greater, ">=": Greater | Equal}[f[1]], false, f[2]}
	}
	for _, test := range []struct {
		provides, requires string
		want               bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a >= 1", true}, {"a = 1", "a", true},
		{"a = 1", "a = 1", true}, {"a = 1", "a = 2", false}, {"a = 1-1", "a = 1", true}, {"a = 1", "a = 1-1", true}, {"a = 1-1", "a = 1-2", false},
		{"a = 2", "a > 1", true}, {"a = 1", "a > 1", false}, {"a = 1", "a >= 1", true}, {"a = 1-2", "a > 1", false}, {"a = 1-2", "a > 1-1", true},
		{"a = 1", "a < 2", true}, {"a = 2", "a < 2", false}, {"a = 2", "a <= 2", true}, {"a = 3", "a <= 2", false},
		{"a >= 3", "a <= 2", false}, {"a >= 1", "a <= 2", true}, {"a < 1", "a > 2", false}, {"a > 1", "a > 2", true}, {"a < 2", "a < 1", true},
		{"a < 1", "a > 1", false}, {"a <= 1", "a >= 1", true}, {"a = 1:1", "a = 1", false}, {"a = 0:1", "a = 1", true}, {"a = 1:1", "a > 9", true},
		{"a = 1.0~rc1", "a >= 1.0", false},
	} {
		p, r := relation(test.provides), relation(test.requires)
		if got := r.Satisfies(p); got != test.want {
			t.Errorf("%v satisfies %v: %v", p, r, got)
		}
		if p.String() != test.provides {
			t.Errorf("%q is written as %q", test.provides, p)
		}
	}
}

func TestMatches(t *testing.T) {
	p := &Package{NEVRA: rpm.NEVRA{Name: "python3-libs", EVR: rpm.EVR{Epoch: 2, Version: "3.14.0", Release: "1.fc43"}, Arch: "x86_64"}}
	for pattern, want := range map[string]bool{
		"python3-libs": true, "python3": false, "python3*": true, "*libs": true, "*": true, "p[xy]thon?-libs": true, "python3-libs.x86_64": true,
		"python3-libs.i686": false, "python3-libs-3.14.0": true, "python3-libs-2:3.14.0-1.fc43.x86_64": true, "python3-libs-3.14.0-1.fc43": true,
		"python3-libs-1:3.14.0*": false, "python3-libs-3.13*": false, "*.x86_64": true, "": false, "python3-libs-3.14.0-1.fc43.x86_64.rpm": false,
	} {
		if got := p.Matches(pattern); got != want {
			t.Errorf("%q matches: %v", pattern, got)
		}
	}
	if _, err := newFilter([]string{"[a"}, nil); err == nil {
		t.Error("a bad pattern was taken")
	}
}

func corpus(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("RESPIN_CORPUS")
	if dir == "" {
		t.Skip("SKIP: RESPIN_CORPUS does not name the corpus")
	}
	paths, err := filepath.Glob(filepath.Join(append([]string{dir}, path...)...))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%v: there are %d, %v", path, len(paths), err)
	}
	return paths[0]
}

func TestCorpusComps(t *testing.T) {
	data, err := os.ReadFile(corpus(t, "repodata/comps/comps-f41.xml.in"))
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("<_"), []byte("<")), []byte("</_"), []byte("</"))
	data = regexp.MustCompile(`(?s)<!--.*?-->`).ReplaceAll(data, nil)
	c, err := parseComps(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	e := c.Environment("cloud-server-environment")
	if e == nil || e.Name != "Fedora Cloud Server" || len(c.Groups) != bytes.Count(data, []byte("<group>")) || len(c.Langpacks) == 0 {
		t.Fatalf("environment %+v, %d groups, %d langpacks", e, len(c.Groups), len(c.Langpacks))
	}
	packages := 0
	for _, g := range c.Groups {
		packages += len(g.Packages)
	}
	if want := bytes.Count(data, []byte("<packagereq")); packages != want {
		t.Errorf("%d packages, want %d", packages, want)
	}
	if core := c.Group("core"); core == nil || !core.Packages[0].BaseArchOnly && core.Packages[0].Name == "" {
		t.Errorf("core is %+v", core)
	}
}

func BenchmarkParsePrimary(b *testing.B) { benchmarkPrimary(b, parsePrimary) }
func BenchmarkParseOutline(b *testing.B) { benchmarkPrimary(b, parseOutline) }

func benchmarkPrimary(b *testing.B, parse func(io.Reader, func(*Package) error) error) {
	path := corpus(b, "repodata/osbuild-testrepos/appstream/repodata/*-primary.xml.gz")
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		plain, err := compression.NewReader(f)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		if err := parse(plain, func(*Package) error { n++; return nil }); err != nil || n != 17649 {
			b.Fatalf("%d packages, %v", n, err)
		}
		f.Close()
	}
}
