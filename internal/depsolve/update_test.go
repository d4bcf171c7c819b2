package depsolve

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/repo"
)

// A set of packages, some of which the repository still lists, is updated.
func TestUpdate(t *testing.T) {
	type table = [][]string // NAME VERSION RELATION...
	for name, test := range map[string]struct {
		held  string // NAME-VERSION; "*" behind it: named, "?": the repository does not list it
		extra table  // what the repository lists of held, and besides
		want  string // what the set is then, "!" behind what is obsolete, or the error
	}{
		"only what is named": {"a-1* b-1", table{{"a", "1"}, {"a", "2"}, {"b", "1"}, {"b", "2"}}, "a-2 b-1"},
		"what it newly needs": {"a-1* b-1", table{{"a", "1"}, {"a", "2", "requires: c"}, {"b", "1"}, {"c", "1", "requires: d"}, {"c", "3", "requires: d"}, {"d", "1"}, {"e", "1"}},
			"a-2 b-1 c-3 d-1"},
		"another that it needs newer":                    {"a-1* b-1 c-1", table{{"a", "1"}, {"a", "2", "requires: b >= 2"}, {"b", "1"}, {"b", "2"}, {"c", "1"}, {"c", "2"}}, "a-2 b-2 c-1"},
		"another that needs it so":                       {"a-1* b-1", table{{"a", "1"}, {"a", "2"}, {"b", "1", "requires: a = 1"}, {"b", "2", "requires: a = 2"}}, "a-2 b-2"},
		"another that cannot follow":                     {"a-1* b-1", table{{"a", "1"}, {"a", "2"}, {"b", "1", "requires: a = 1"}}, "no repository has a = 1, which b requires"},
		"what nobody has":                                {"a-1*", table{{"a", "1"}, {"a", "2", "requires: x"}}, "no repository has x, which a requires"},
		"what nobody had before":                         {"a-1* b-1", table{{"a", "1"}, {"a", "2"}, {"b", "1", "requires: x"}}, "a-2 b-1"},
		"the same source":                                {"lib-1* lib-devel-1 b-1", table{{"lib", "2"}, {"lib-devel", "2"}, {"b", "2"}}, "b-1 lib-2 lib-devel-2"},
		"one that is not listed":                         {"a-1* b-1?", table{{"a", "1"}, {"a", "2", "requires: libb.so"}, {"b", "3", "provides: libb.so"}}, "a-2 b-1"},
		"one that is not listed but known to be too old": {"a-1* b-1?", table{{"a", "1"}, {"a", "2", "requires: b >= 2"}, {"b", "3"}}, "a-2 b-3"},
		"nothing newer":                                  {"a-2* b-1*", table{{"a", "1"}}, "a-2 b-1"},
		"either of two":                                  {"a-1* c-1", table{{"a", "1"}, {"a", "2", "requires: (b or c)"}, {"b", "1"}, {"c", "1"}}, "a-2 c-1"},
		"only if another is there":                       {"a-1*", table{{"a", "1"}, {"a", "2", "requires: (x if b)"}, {"b", "1"}}, "a-2"},
		"a newer one of several":                         {"a-1* b-1", table{{"a", "1"}, {"a", "2", "requires: (b >= 2 or x)"}, {"b", "1"}, {"b", "2"}}, "a-2 b-2"},
		"one that is obsoleted":                          {"a-1* b-1*", table{{"a", "1"}, {"b", "2", "obsoletes: a"}}, "a-1! b-2"},
		"one whose successor is not in the set":          {"a-1* c-1", table{{"a", "1"}, {"b", "2", "obsoletes: a", "requires: d"}, {"c", "1"}, {"d", "1"}}, "a-1! b-2 c-1 d-1"},
		"one that is gone and has a successor":           {"a-1?*", table{{"b", "2", "obsoletes: a < 2"}}, "a-1! b-2"},
		"one that is gone":                               {"a-1?* b-1*", table{{"b", "1"}, {"b", "2"}}, "a-1 b-2"},
		"one that is obsoleted and needed":               {"a-1* c-1*", table{{"a", "1"}, {"b", "2", "obsoletes: a"}, {"c", "1", "requires: a"}}, "a-1 b-2 c-1"},
		"one whose successor stands in for it":           {"a-1* c-1*", table{{"a", "1"}, {"b", "2", "obsoletes: a", "provides: a = 1"}, {"c", "1", "requires: a"}}, "a-1! b-2 c-1"},
		"one whose successor cannot be had":              {"a-1*", table{{"a", "1"}, {"b", "2", "obsoletes: a", "requires: nothing"}}, "a-1"},
		"one that is obsoleted up to a version":          {"a-1*", table{{"a", "1"}, {"a", "3"}, {"b", "2", "obsoletes: a < 3"}}, "a-3"},
		"one that is obsoleted but not named":            {"a-1 b-1*", table{{"a", "1"}, {"b", "1"}, {"b", "2"}, {"c", "2", "obsoletes: a"}}, "a-1 b-2"},
		"one that what is named newly obsoletes":         {"a-1 b-1*", table{{"a", "1"}, {"b", "1"}, {"b", "2", "obsoletes: a"}}, "a-1! b-2"},
		"one that another of the set provides":           {"a-1* b-1", table{{"a", "1"}, {"a", "2", "requires: c"}, {"b", "1", "provides: a"}, {"c", "1"}}, "a-2 b-1 c-1"},
		"another architecture":                           {"a-1*", table{{"a", "1"}, {"a", "2", "arch: aarch64"}}, "a-1"},
		"circles":                                        {"a-1* b-1", table{{"a", "1"}, {"a", "2", "requires: b = 2"}, {"b", "1", "requires: a = 1"}, {"b", "2", "requires: a = 2"}}, "a-2 b-2"},
	} {
		t.Run(name, func(t *testing.T) {
			snapshot := new(repo.Snapshot)
			digest := func(name, version string) cache.Digest { return cache.SHA256([]byte(name + "-" + version)) }
			var all []*repo.Package
			for _, row := range test.extra {
				p := pkg(t, snapshot, row[0], row[1], row[2:]...)
				p.Checksum = digest(row[0], row[1])
				all = append(all, p)
			}
			var held []Held
			for word := range strings.FieldsSeq(test.held) {
				i := strings.LastIndexByte(word, '-')
				name, version := word[:i], strings.TrimRight(word[i+1:], "*?")
				p := pkg(t, snapshot, name, version)
				source, _, _ := strings.Cut(name, "-")
				held = append(held, Held{NEVRA: p.NEVRA, Checksum: digest(name, version), Source: source + "-" + version + "-1.src.rpm", Named: strings.HasSuffix(word, "*")})
			}
			updated, err := Update(context.Background(), nil, all, "x86_64", held)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				var set []string
				for i, h := range held {
					if updated.Instead[i] != nil {
						h.NEVRA = updated.Instead[i].NEVRA
					}
					one := h.Name + "-" + h.Version
					if updated.Obsolete[i] {
						one += "!"
					}
					set = append(set, one)
				}
				for _, p := range updated.Added {
					set = append(set, p.Name+"-"+p.Version)
				}
				slices.Sort(set)
				got = strings.Join(set, " ")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
