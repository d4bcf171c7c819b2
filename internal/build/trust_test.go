package build

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

// signer signs the packages that tests make; a test trusts it with extra.
var signer = rpmtest.NewKey(nil)

// extra makes a repository of packages, signed with key, which is trusted from now on.
func (b *bench) extra(t *testing.T, key *rpmtest.Key, packages ...rpmtest.Package) string {
	t.Helper()
	for i := range packages {
		packages[i].Key = key
	}
	b.Keys = append(b.Keys, key.Public())
	return extra(t, packages...)
}

// tool is a package that every buildroot takes, because it claims to be newer than the fixture's.
func tool(p rpmtest.Package) rpmtest.Package {
	p.Name, p.Version = "glibc-common", "999"
	p.Header = func(h *rpmtest.Header) {
		h.Strings(1047, p.Name)
		h.Strings(1113, "999-1")
		h.Int32(1112, 8)
	}
	return p
}

// What is not signed by a key that is trusted is neither unpacked nor run nor
// installed, and the error says what it is, where it is from and which key it has.
func TestUntrustedPackages(t *testing.T) {
	other := rpmtest.NewKey(nil)
	id := strings.ToUpper(other.Fingerprint()[24:])
	tampered := func(p rpmtest.Package) rpmtest.Package {
		p.Key = signer
		p.Files = []rpmtest.File{{Path: "/usr/share/hello", Data: "hello"}}
		return p
	}
	for name, test := range map[string]struct {
		p    rpmtest.Package
		want []string
	}{
		"unsigned": {rpmtest.Package{}, []string{"glibc-common-999-1.noarch is not signed"}},
		"other key": {rpmtest.Package{Key: other}, []string{"glibc-common-999-1.noarch is signed by an unknown key (key id " + strings.ToLower(id) + ")",
			"hint: if you trust key " + strings.ToLower(id) + ","}},
		"payload changed": {func() rpmtest.Package {
			p := tampered(rpmtest.Package{})
			p.Signature = func(h *rpmtest.Header) {}
			return p
		}(), []string{"glibc-common-999-1.noarch is damaged: its payload SHA-256 digest does not match"}},
		"header changed": {tampered(rpmtest.Package{}), []string{"glibc-common-999-1.noarch is damaged: its header"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.Keys = append(b.Keys, signer.Public())
			p := tool(test.p)
			var dir string
			switch name {
			case "payload changed":
				dir = changed(t, p, "hello\x00\x00\x00", "jello\x00\x00\x00")
			case "header changed":
				dir = changed(t, p, "999-1\x00", "998-1\x00")
			default:
				dir = extra(t, p)
			}
			b.fails(t, tinyDisk+"repo --name=more --baseurl="+dir+"\n"+tinyPackages, append(test.want, `repository "more": glibc-common-999-1.noarch `)...)
		})
	}
}

// changed makes a repository of a package that was changed after it was
// signed, with metadata that agrees.
func changed(t *testing.T, p rpmtest.Package, old, new string) string {
	t.Helper()
	data := p.Build()
	i := bytes.LastIndex(data, []byte(old))
	if i < 0 {
		t.Fatalf("the package has no %q", old)
	}
	copy(data[i:], new)
	return extraFiles(t, data)
}

// Signatures of installed packages are checked as those of the tools are.
func TestUntrustedInstall(t *testing.T) {
	b := newBench(t)
	dir := extra(t, rpmtest.Package{Name: "stranger"})
	text := tinyDisk + "repo --name=more --baseurl=" + dir + "\n%packages --excludedocs\n@core\nstranger\n%end\n"
	b.fails(t, text, `repository "more": stranger-1.0-1.noarch is not signed`)

	// It can be had, but nobody overlooks it.
	var said bytes.Buffer
	b.Insecure, b.Report = true, report.New(&said, "img-build", report.Lines, func(string) string { return "" })
	m := b.mustBuild(t, text)
	if !m.Build.Unverified {
		t.Error("the manifest does not say it")
	}
	if !strings.Contains(said.String(), "tiny-43-0.x86_64: signatures are NOT checked") {
		t.Errorf("it says %s", &said)
	}
}

func TestKeys(t *testing.T) {
	b := newBench(t)
	keys := b.Keys
	b.Keys = nil
	b.fails(t, tinyDisk+tinyPackages, `repository "url": there is no key to verify its packages with`, "give it with --key FILE")
	m := b.manifest(t, tinyDisk+tinyPackages)
	// As ks-render writes them: relative to the working folder, the spec's folder in the path.
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Rel(here, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key.asc")
	if err := os.WriteFile(path, keys[0], 0o644); err != nil {
		t.Fatal(err)
	}
	m.Spec = &manifest.Spec{Path: dir, Keys: []manifest.Key{{URL: path, Fingerprint: strings.Repeat("AB", 20)}}}
	b.refused(t, m, "reading the key "+path, strings.Repeat("ab", 20))
	path = filepath.Join(dir, "other.asc")
	m.Spec.Keys[0].URL = path
	b.refused(t, m, "reading the key "+path, "no such file")
	if err := os.WriteFile(path, []byte("<html>404</html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.refused(t, m, "reading the key "+path)
}

// A package may say that it has files anywhere, and be signed: none leaves the root.
func TestHostilePackages(t *testing.T) {
	const target = "/etc/respin-was-here"
	t.Cleanup(func() {
		if err := os.Remove(target); err == nil {
			t.Error("it got out")
		}
	})
	b := newBench(t)
	dir := b.extra(t, signer, tool(rpmtest.Package{Files: []rpmtest.File{{Path: "/usr/share/a", Data: "x"}}, Entries: func(all []rpmtest.Entry) []rpmtest.Entry {
		all[0].Name = "./../../../../../../../.." + target
		return all
	}}))
	b.fails(t, tinyDisk+"repo --name=more --baseurl="+dir+"\n"+tinyPackages,
		`unpacking glibc-common-999-1.noarch: malformed package: payload: it has "./../../../../../../../../etc/respin-was-here", which the header does not`)

	b = newBench(t)
	dir = b.extra(t, signer, tool(rpmtest.Package{Files: []rpmtest.File{
		{Path: "/usr/share/way", Mode: 0o120777, Link: "../../../../../../../../../../etc"},
		{Path: "/usr/share/way/respin-was-here", Data: "x"}}}))
	if _, err := b.build(t, tinyDisk+"repo --name=more --baseurl="+dir+"\n"+tinyPackages); err == nil {
		t.Error("it was built without a working glibc-common")
	}
}
