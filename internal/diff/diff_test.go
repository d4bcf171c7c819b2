package diff

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/advisory"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/rpm"
)

// packages makes a list of NEVRAs; what follows a "#" is the checksum.
func packages(t *testing.T, list ...string) []manifest.Package {
	t.Helper()
	var all []manifest.Package
	for _, s := range list {
		nevra, checksum, _ := strings.Cut(s, "#")
		n, err := rpm.ParseNEVRA(nevra)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, manifest.Package{Name: n.Name, Epoch: n.Epoch, Version: n.Version, Release: n.Release, Arch: n.Arch, Checksum: checksum})
	}
	return all
}

func TestPackages(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want []string }{
		"nothing":             {[]string{"a-1-1.x", "a-1-1.x"}, []string{"a-1-1.x", "a-1-1.x"}, nil},
		"one of two":          {[]string{"a-1-1.x", "a-1-1.x"}, []string{"a-1-1.x"}, []string{"removed a.x 1-1"}},
		"rpm's order":         {[]string{"a-1.9-1.x", "b-1-1.x", "c-1-1.x"}, []string{"a-1.10-1.x", "b-1~rc-1.x", "c-1:0-1.x"}, []string{"updated a.x 1.9-1>1.10-1", "downgraded b.x 1-1>1~rc-1", "updated c.x 1-1>1:0-1"}},
		"another file":        {[]string{"a-1-1.x#1", "b-1-1.x#1"}, []string{"a-1-1.x#2", "b-1-1.x#1"}, []string{"rebuilt a.x 1-1"}},
		"a file not known":    {[]string{"a-1-1.x#1"}, []string{"a-1-1.x"}, nil},
		"architecture":        {[]string{"a-1-1.noarch"}, []string{"a-1-1.x"}, []string{"rebuilt a.x 1-1.noarch>1-1.x"}},
		"architectures apart": {[]string{"a-1-1.x", "a-1-1.y"}, []string{"a-2-1.y", "a-3-1.x"}, []string{"updated a.x 1-1>3-1", "updated a.y 1-1>2-1"}},
		"newest first":        {[]string{"k-1-1.x", "k-2-1.x", "k-3-1.x"}, []string{"k-3-1.x", "k-4-1.x"}, []string{"updated k.x 2-1>4-1", "removed k.x 1-1"}},
		"to and fro":          {[]string{"b-1-1.x"}, []string{"a-1-1.x"}, []string{"added a.x 1-1", "removed b.x 1-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range Packages(packages(t, test.old...), packages(t, test.new...), nil, advisory.Collection{}) {
				got = append(got, p.Change+" "+p.Name+"."+p.Arch+" "+p.versions(">"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A list of any length under one name takes no time that grows with its square.
func TestManyOfOneName(t *testing.T) {
	var old, new []manifest.Package
	for i := range 20_000 {
		p := manifest.Package{Name: "a", Version: strings.Repeat("1", 1+i%7), Release: "1", Arch: "x", Epoch: i}
		old = append(old, p)
		p.Epoch += 20_000
		new = append(new, p)
	}
	if got := Packages(old, new, nil, advisory.Collection{}); len(got) != 20_000 {
		t.Errorf("%d packages differ", len(got))
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"bash.x86_64": "bash.x86_64", "ü": "ü", "a\tb": `"a\tb"`, "\x1b[2J": `"\x1b[2J"`, "::error::": `"::error::"`, "a##[error]": "a## [error]", "\u202eabc": `"\u202eabc"`,
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %s, want %s", in, got, want)
		}
	}
}

// FuzzParse holds that whatever is read can be compared and written.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":"respin/v1","image":{"name":"a","version":"1","release":"1","arch":"x"},"build":{"packages":[{"name":"a","epoch":-1}]},"artifacts":[{"path":"a","size":-1}]}`))
	f.Add([]byte(`{"schema":"respin/lock/v1","packages":[{"name":"a","checksum":"sha256:` + strings.Repeat("0", 64) + `"},{}]}`))
	f.Add([]byte(`{"schema":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if r := Compare(s, s, nil); !r.Same {
			t.Errorf("it differs from itself: %+v", r)
		}
		r := Compare(s, &Side{Manifest: &manifest.Manifest{Build: new(manifest.Build)}}, nil)
		var b bytes.Buffer
		if err := r.Markdown(&b); err != nil {
			t.Error(err)
		}
		if err := r.Text(&b); err != nil {
			t.Error(err)
		}
	})
}

// What no honest file is as long as does not fill the memory.
func TestBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "long.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxInput + 1); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := Read(path, nil); err == nil || !strings.Contains(err.Error(), "it is longer than 128 MiB") {
		t.Errorf("a file that is too long: %v", err)
	}
}

// An edit of a script changes no package.
func TestKickstart(t *testing.T) {
	side := func(digest string) *Side { return &Side{Image: "cloud 43 x86_64", Lock: &lock.Lock{Kickstart: digest}} }
	for _, tt := range []struct {
		old, new string
		differs  bool
	}{{"sha256:aa", "sha256:bb", true}, {"sha256:aa", "sha256:aa", false}, {"", "sha256:aa", false}} {
		r := Compare(side(tt.old), side(tt.new), nil)
		if r.Kickstart != tt.differs || r.Same == tt.differs {
			t.Errorf("%q and %q: %+v", tt.old, tt.new, r)
		}
		var text strings.Builder
		if err := r.Markdown(&text); err != nil || strings.Contains(text.String(), "another kickstart") != tt.differs {
			t.Errorf("%v\n%s", err, &text)
		}
	}
}
