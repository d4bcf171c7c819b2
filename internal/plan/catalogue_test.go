package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
)

func listed(t *testing.T, nevra string, obsoletes ...repo.Relation) *repo.Package {
	t.Helper()
	n, err := rpm.ParseNEVRA(nevra)
	if err != nil {
		t.Fatal(err)
	}
	return &repo.Package{NEVRA: n, Checksum: cache.SHA256([]byte(nevra)), Obsoletes: obsoletes}
}

// A catalogue gives back of a repository's packages the newest of each name
// and architecture, and what obsoletes a name.
func TestCatalogue(t *testing.T) {
	odd := listed(t, "a-9-1.x")
	odd.Version = "9\t9"
	c := newCatalogue([]*repo.Package{
		listed(t, "a-1-1.x"), listed(t, "a-1:0-1.x"), listed(t, "a-2-1.x"), listed(t, "a-2-1.noarch"), odd,
		listed(t, "a-3-1.module+el9+1.x"), listed(t, "b-1-1.x"),
		listed(t, "c-1-1.x", repo.Relation{Name: "a", Flags: repo.Less, EVR: "2:1-1"}, repo.Relation{Name: "d"}, repo.Relation{Name: "(a or\tb)"}),
		listed(t, "a-2-1.noarch"),
	})
	var got []string
	err := c.each(map[string]bool{"a": true}, func(l listing) {
		if want := cache.SHA256([]byte(l.NEVRA.String())).String(); l.checksum != want {
			t.Errorf("%s has checksum %s", l.NEVRA, l.checksum)
		}
		got = append(got, l.NEVRA.String())
	}, func(by string, what repo.Relation) { got = append(got, by+" obsoletes "+what.String()) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a-1:0-1.x", "a-2-1.noarch", "a-2-1.noarch", "c obsoletes a < 2:1-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzCatalogue holds that a damaged catalogue is no more than an error.
func FuzzCatalogue(f *testing.F) {
	f.Add([]byte(newCatalogue([]*repo.Package{{NEVRA: rpm.NEVRA{Name: "a", Arch: "x"}, Obsoletes: []repo.Relation{{Name: "b"}}}})))
	f.Add([]byte("a\tb\tc\td\te\tf\t1 2 b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := catalogue(text).each(map[string]bool{"a": true, "b": true}, func(l listing) {
			if l.Name != "a" && l.Name != "b" {
				t.Errorf("it gives %q", l.Name)
			}
		}, func(by string, what repo.Relation) {
			if by == what.Name {
				t.Errorf("%q obsoletes itself", by)
			}
		})
		_ = err
	})
}
