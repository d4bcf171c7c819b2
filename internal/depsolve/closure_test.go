package depsolve

import (
	"slices"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

// pkg makes a package "NAME-VERSION" that provides itself. Relations are
// written as in a spec file: "requires: a >= 1".
func pkg(t *testing.T, snapshot *repo.Snapshot, name, version string, relations ...string) *repo.Package {
	t.Helper()
	evr, err := rpm.ParseEVR(version + "-1")
	if err != nil {
		t.Fatal(err)
	}
	p := &repo.Package{NEVRA: rpm.NEVRA{Name: name, EVR: evr, Arch: "x86_64"}, Snapshot: snapshot}
	p.Provides = []repo.Relation{self(p)}
	for _, text := range relations {
		kind, what, _ := strings.Cut(text, ": ")
		switch kind {
		case "requires":
			p.Requires = append(p.Requires, relation(what))
		case "provides":
			p.Provides = append(p.Provides, relation(what))
		case "obsoletes":
			p.Obsoletes = append(p.Obsoletes, relation(what))
		case "file":
			p.Files = append(p.Files, repo.File{Path: what})
		case "arch":
			p.Arch = what
		default:
			t.Fatalf("what is %q?", text)
		}
	}
	return p
}

func TestClosure(t *testing.T) {
	first, second := &repo.Snapshot{}, &repo.Snapshot{}
	second.Priority = 10
	for name, test := range map[string]struct {
		packages      func(p func(string, string, ...string) *repo.Package) []*repo.Package
		want, missing string
	}{
		"what is required, and what that requires": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: a"), p("a", "1", "requires: b >= 2"), p("b", "2"), p("c", "1")}
		}, "a-1 b-2 root-1", ""},
		"circles": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: a"), p("a", "1", "requires: root")}
		}, "a-1 root-1", ""},
		"the newest": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1"), p("root", "10"), p("root", "9")}
		}, "root-10", ""},
		"another architecture's do not count": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1"), p("root", "2", "arch: i686")}
		}, "root-1", ""},
		"too old": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: a >= 2"), p("a", "1")}
		}, "root-1", "a >= 2 by root"},
		"a capability, by the package of its name": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: mta"), p("exim", "1", "provides: mta"), p("mta", "1")}
		}, "mta-1 root-1", ""},
		"a capability, by one that is there anyway": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: postfix", "requires: mta"), p("exim", "1", "provides: mta"), p("postfix", "1", "provides: mta")}
		}, "postfix-1 root-1", ""},
		"obsolete": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: old"), p("old", "1"), p("new", "1", "obsoletes: old < 2", "provides: old = 2")}
		}, "new-1 root-1", ""},
		"files, in merged folders": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: /bin/sh", "requires: /usr/sbin/tool"), p("bash", "1", "file: /usr/bin/sh"), p("tool", "1", "file: /usr/bin/tool")}
		}, "bash-1 root-1 tool-1", ""},
		"rpm's own features": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: rpmlib(PayloadIsZstd) <= 5.4.18-1")}
		}, "root-1", ""},
		"nothing has it": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: a", "requires: /b"), p("a", "1", "requires: c")}
		}, "a-1 root-1", "/b by root, c by a"},
		"one of several": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: (nothing or b or a)"), p("a", "1"), p("b", "1")}
		}, "b-1 root-1", ""},
		"one of several, of which one is there": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: a", "requires: (b or a)"), p("a", "1"), p("b", "1")}
		}, "a-1 root-1", ""},
		"all of several": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: (a and (b >= 1 with b < 2))"), p("a", "1"), p("b", "1")}
		}, "a-1 b-1 root-1", ""},
		"if": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: (a if root)", "requires: (b if c)", "requires: (d if c else e)", "requires: (f unless c)"),
				p("a", "1"), p("b", "1"), p("c", "1"), p("d", "1"), p("e", "1"), p("f", "1")}
		}, "a-1 e-1 f-1 root-1", ""},
		"brackets in names": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: (libc.so.6(GLIBC_2.34)(64bit) if root)"), p("glibc", "1", "provides: libc.so.6(GLIBC_2.34)(64bit)")}
		}, "glibc-1 root-1", ""},
		"malformed": {func(p func(string, string, ...string) *repo.Package) []*repo.Package {
			return []*repo.Package{p("root", "1", "requires: (a or", "requires: (or b)"), p("a", "1"), p("b", "1")}
		}, "root-1", "(a or by root, (or b) by root"},
	} {
		t.Run(name, func(t *testing.T) {
			all := test.packages(func(name, version string, relations ...string) *repo.Package {
				return pkg(t, first, name, version, relations...)
			})
			packages, missing := newUniverse(all, "x86_64").close([]Want{{Names: []string{"root"}}, {Names: []string{"not-there"}, Optional: true}})
			var got, lacks []string
			for _, p := range packages {
				got = append(got, p.Name+"-"+p.Version)
			}
			for _, m := range missing {
				lacks = append(lacks, m.what.String()+" by "+m.by)
			}
			slices.Sort(lacks)
			if strings.Join(got, " ") != test.want || strings.Join(lacks, ", ") != test.missing {
				t.Errorf("got %q, missing %q\nwant %q, %q", got, lacks, test.want, test.missing)
			}
		})
	}
	// A repository that comes first is preferred, even to a newer version.
	packages, _ := newUniverse([]*repo.Package{pkg(t, second, "root", "2"), pkg(t, first, "root", "1")}, "x86_64").close([]Want{{Names: []string{"root"}}})
	if len(packages) != 1 || packages[0].Version != "1" {
		t.Errorf("got %v", packages)
	}
}

func TestUnsatisfied(t *testing.T) {
	_, missing := newUniverse([]*repo.Package{pkg(t, &repo.Snapshot{}, "root", "1", "requires: a >= 2")}, "x86_64").close([]Want{{Names: []string{"root"}}, {Names: []string{"dnf5", "dnf"}}})
	err := unsatisfied(missing)
	const want = "no repository has dnf5, which the build needs\nno repository has a >= 2, which root requires"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// FuzzRich reads boolean dependencies from anywhere: none may hang or panic.
func FuzzRich(f *testing.F) {
	for _, text := range []string{"(a or b)", "(a if (b and c) else d)", "(x(y)(64bit) with x < 2 without z)", "((", "()", "(a or (b or (c)))"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := &repo.Package{NEVRA: rpm.NEVRA{Name: "a", Arch: "x86_64"}, Snapshot: &repo.Snapshot{}, Provides: []repo.Relation{{Name: "a"}}}
		c := &closure{universe: newUniverse([]*repo.Package{p}, "x86_64"), chosen: map[*repo.Package]bool{}}
		c.require(repo.Relation{Name: "(" + text})
	})
}
