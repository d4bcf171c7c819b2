package advisory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

func evr(t *testing.T, s string) rpm.EVR {
	t.Helper()
	e, err := rpm.ParseEVR(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func notice(t *testing.T, id, kind, severity string, packages ...string) repo.Advisory {
	t.Helper()
	a := repo.Advisory{ID: id, Type: kind, Severity: severity, Title: id + " title"}
	for _, p := range packages {
		n, err := rpm.ParseNEVRA(p)
		if err != nil {
			t.Fatal(err)
		}
		a.Packages = append(a.Packages, repo.AdvisoryPackage{NEVRA: n, RebootSuggested: n.Name == "kernel"})
	}
	return a
}

func TestBetween(t *testing.T) {
	x := New([]repo.Advisory{
		notice(t, "B", "security", "Important", "ssl-2-1.x86_64", "ssl-2-1.aarch64"),
		notice(t, "A", "bugfix", "None", "ssl-1:1-1.x86_64"),
		notice(t, "C", "security", "Critical", "kernel-6-1.x86_64", "kernel-6-2.x86_64"),
	}, []repo.Advisory{notice(t, "B", "security", "Important", "ssl-2-1.x86_64")})
	for _, test := range []struct {
		name, arch, old, to string
		want                []string
	}{
		{"ssl", "x86_64", "1-1", "2-1", []string{"B"}},
		{"ssl", "x86_64", "1-1", "1:1-1", []string{"A", "B"}},
		{"ssl", "x86_64", "2-1", "2-2", nil}, // it was there before
		{"ssl", "x86_64", "1-1", "1-9", nil}, // not yet in what is there now
		{"ssl", "x86_64", "2-1~rc1", "2-1", []string{"B"}},
		{"ssl", "noarch", "1-1", "2-1", nil},
		{"kernel", "x86_64", "5-1", "7-1", []string{"C"}},
		{"bash", "x86_64", "1-1", "2-1", nil},
	} {
		got := x.Between(test.name, test.arch, evr(t, test.old), evr(t, test.to))
		if diff := cmp.Diff(test.want, IDs(got)); diff != "" {
			t.Errorf("%s.%s %s to %s: %s", test.name, test.arch, test.old, test.to, diff)
		}
	}
	if got := (*Index)(nil).Between("ssl", "x86_64", evr(t, "1-1"), evr(t, "2-1")); got != nil {
		t.Errorf("no index gave %v", got)
	}
}

func TestCollection(t *testing.T) {
	x := New([]repo.Advisory{notice(t, "C", "security", "High", "kernel-6-1.x86_64"), notice(t, "A", "bugfix", "Critical", "ssl-2-1.x86_64")})
	c := Collection{}
	c.Add(x.Between("kernel", "x86_64", evr(t, "5-1"), evr(t, "6-1")))
	c.Add(x.Between("ssl", "x86_64", evr(t, "1-1"), evr(t, "2-1")))
	want := []manifest.Advisory{
		{ID: "A", Type: "bugfix", Severity: "Critical", Title: "A title"},
		{ID: "C", Type: "security", Severity: "High", Title: "C title", Reboot: true},
	}
	if diff := cmp.Diff(want, c.List()); diff != "" {
		t.Error(diff)
	}
	if got := Worst(c.List()); got != "important" {
		t.Errorf("the worst is %q", got)
	}
	if got := Worst(nil); got != "" {
		t.Errorf("the worst of none is %q", got)
	}
}
