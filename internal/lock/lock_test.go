package lock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
)

func pkg(name string) manifest.Package {
	return manifest.Package{Name: name, Version: "1", Release: "2", Arch: "noarch", Checksum: "sha256:" + strings.Repeat("a", 64), Size: 10, Repository: "fedora"}
}

func sample() *Lock {
	return &Lock{
		Image: Image{Name: "x", Version: "43", Arch: "x86_64"}, SourceDate: 1700000000,
		Repositories: []manifest.Repository{{Name: "fedora", URL: "https://example.org/"}},
		Comps:        []Comps{{Repository: "fedora", Comps: repo.Comps{Groups: []repo.Group{{ID: "core"}}}}},
		Buildroot:    []manifest.Package{pkg("rpm"), pkg("bash")}, Packages: []manifest.Package{pkg("zlib"), pkg("bash")},
	}
}

func TestRoundTrip(t *testing.T) {
	l := sample()
	path := filepath.Join(t.TempDir(), "lock.x86_64.json")
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got); diff != "" {
		t.Error(diff)
	}
	if got.Packages[0].Name != "bash" || got.Buildroot[0].Name != "bash" {
		t.Error("the packages are not sorted")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Each package has a line, so that a difference of two locks can be read.
	if n := strings.Count(string(text), "\n  {\"name\":\"bash\""); n != 2 {
		t.Errorf("%d lines begin with bash:\n%s", n, text)
	}
}

// The digest depends on what is in a lock, not on the order it was found in.
func TestDigest(t *testing.T) {
	digest := func(change func(*Lock)) string {
		l := sample()
		change(l)
		d, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	plain := digest(func(*Lock) {})
	if digest(func(l *Lock) { l.Packages[0], l.Packages[1] = l.Packages[1], l.Packages[0] }) != plain {
		t.Error("the order matters")
	}
	for name, change := range map[string]func(*Lock){
		"a checksum": func(l *Lock) { l.Packages[0].Checksum = "sha256:" + strings.Repeat("b", 64) },
		"the date":   func(l *Lock) { l.SourceDate++ },
		"the tools":  func(l *Lock) { l.Buildroot = l.Buildroot[:1] },
		"comps":      func(l *Lock) { l.Comps = nil },
	} {
		if digest(change) == plain {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "unexpected end of JSON input",
		`{"schema":"respin/v1"}`: `schema is "respin/v1", this version reads "respin/lock/v1"`,
		`{"schema":"respin/lock/v1","packages":[{"name":"a","version":"1","release":"2","arch":"noarch","checksum":"md5:x"}]}`: "packages[0] (a-1-2.noarch): checksum: ",
		`{"schema":"respin/lock/v1","buildroot":[{"name":"a","checksum":""}]}`:                                                 "buildroot[0] ",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
	_, err := Read(filepath.Join(t.TempDir(), "none.json"))
	if err == nil || !strings.HasPrefix(err.Error(), "reading the lock: open ") {
		t.Errorf("error is %v", err)
	}
}

// What is read can be written, and is then the same.
func FuzzParse(f *testing.F) {
	text, err := sample().Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"schema":"respin/lock/v1","packages":null,"comps":[{}]}`))
	f.Add([]byte(`{"schema":"respin/lock/v1","updated":true,"kept":[{"name":"a","arch":"x86_64","old":"1-1"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if err != nil {
			return
		}
		text, err := l.Text()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, text)
		}
		if twice, err := again.Text(); err != nil || string(twice) != string(text) {
			t.Fatalf("changed on the way: %v\n%s\n%s", err, text, twice)
		}
	})
}
