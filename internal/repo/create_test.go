package repo

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

// everything is a package with all kinds of relations and files.
func everything() rpmtest.Package {
	return rpmtest.Package{Name: "everything", Epoch: 3, Key: signer(),
		Files: []rpmtest.File{
			{Path: "/etc/a & b", Data: "x"}, {Path: "/etc/d", Mode: 0o040755}, {Path: "/etc/ghost", Flags: rpm.FlagGhost, Absent: true},
			{Path: "/usr/bin/tool", Data: "y"}, {Path: "/usr/lib/sendmail", Mode: 0o120777, Link: "../bin/tool"}, {Path: "/usr/share/z", Data: "z"},
		},
		Header: func(h *rpmtest.Header) {
			h.String(1004, "Says <hello> & \"more\"")
			h.String(1005, "A\nlong\ttext with \x01 in it")
			h.String(1014, "MIT")
			h.String(1011, "Vendor")
			h.String(1015, "Packager <p@example.org>")
			h.String(1016, "Unspecified")
			h.String(1020, "https://example.org/?a=1&b=2")
			h.Int32(1006, 1700000000)
			h.Int32(1009, 1234)
			h.Strings(1047, "everything", "everything(x)", "virtual")
			h.Int32(1112, 8, 8, 0)
			h.Strings(1113, "3:1.0-1", "3:1.0-1", "")
			h.Strings(1049, "/bin/sh", "/usr/bin/tool", "a", "a", "b", "rpmlib(X)", "(c or d)", "a")
			h.Int32(1048, 1<<9, 0, 12, 12, 10, 1<<24, 0, 2)
			h.Strings(1050, "", "", "0:1.0", "0:1.0", "2:3-4", "1", "", "9")
			for _, first := range []uint32{5046, 5049, 5052, 5055} { // name, version, flags
				h.Strings(first, "weak")
				h.Strings(first+1, "1.5")
				h.Int32(first+2, 4)
			}
			h.Strings(1090, "old")
			h.Int32(1114, 2)
			h.Strings(1115, "1")
			h.Strings(1054, "enemy")
			h.Int32(1053, 0)
			h.Strings(1055, "")
		},
	}
}

// makeBoth makes a repository of the packages in dir with createrepo_c, and
// another one with Create, and reads both.
func makeBoth(t *testing.T, dir string) (theirs, ours []*Package, created string) {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, newFetcher(t), Repository{Name: "theirs", BaseURLs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = s.Packages(ctx); err != nil {
		t.Fatal(err)
	}
	var fetched []Fetched
	for _, p := range theirs {
		fetched = append(fetched, Fetched{Package: p, Path: filepath.Join(dir, p.Location)})
	}
	created, again := t.TempDir(), t.TempDir()
	if err := Create(ctx, created, fetched, []byte(compsText), WriteOptions{Zstd: true}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(fetched)
	if err := Create(ctx, again, fetched, []byte(compsText), WriteOptions{Zstd: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(folder(t, filepath.Join(created, "repodata")), folder(t, filepath.Join(again, "repodata"))); diff != "" {
		t.Errorf("the order of packages shows:\n%s", diff)
	}
	c, err := Open(ctx, newFetcher(t), Repository{Name: "ours", BaseURLs: []string{created}})
	if err != nil {
		t.Fatal(err)
	}
	if ours, err = c.Packages(ctx); err != nil {
		t.Fatal(err)
	}
	if comps, err := c.Comps(ctx); err != nil || len(comps.Groups) != 2 {
		t.Errorf("comps: %v", err)
	}
	if diff := cmp.Diff(lists(t, s), lists(t, c)); diff != "" {
		t.Errorf("filelists:\n%s", diff)
	}
	return theirs, ours, created
}

// lists are the file lists of a repository, by checksum.
func lists(t *testing.T, s *Snapshot) map[cache.Digest][]File {
	t.Helper()
	all := map[cache.Digest][]File{}
	err := s.Filelists(context.Background(), func(d cache.Digest, files []File) error {
		all[d] = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// asCreaterepo compares packages but for where they are, and for what
// createrepo leaves out of many requirements of one library.
func asCreaterepo() []cmp.Option {
	libc := func(r Relation) bool { return strings.HasPrefix(r.Name, "libc.so.6") }
	return []cmp.Option{
		cmpopts.IgnoreFields(Package{}, "Snapshot", "Location"), cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b *Package) bool {
			return a.NEVRA.String()+a.Checksum.Hex < b.NEVRA.String()+b.Checksum.Hex
		}),
		cmpopts.IgnoreSliceElements(libc),
		cmpopts.SortSlices(func(a, b File) bool { return a.Path < b.Path }),
		cmpopts.SortSlices(func(a, b Relation) bool { return a.String() < b.String() }),
	}
}

func TestCreate(t *testing.T) {
	theirs, ours, _ := makeBoth(t, createrepo(t, append(testPackages(), everything())))
	if diff := cmp.Diff(theirs, ours, asCreaterepo()...); diff != "" {
		t.Error(diff)
	}
}

func TestCorpusCreate(t *testing.T) {
	dir := createrepo(t, nil)
	paths, _ := filepath.Glob(filepath.Join(os.Getenv("RESPIN_CORPUS"), "rpms/*/*.rpm"))
	more, _ := filepath.Glob(filepath.Join(os.Getenv("RESPIN_CORPUS"), "rpms/rpm/RPMS/*.rpm"))
	corpus(t, "rpms/rpm/RPMS/foo-1.0-1.noarch.rpm") // skips without a corpus
	for _, path := range append(paths, more...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(dir, "Packages", filepath.Base(path)), data, 0o644)
	}
	run(t, "createrepo_c", "--quiet", dir)
	theirs, ours, _ := makeBoth(t, dir)
	if len(ours) < 30 {
		t.Errorf("there are %d packages", len(ours))
	}
	if diff := cmp.Diff(theirs, ours, asCreaterepo()...); diff != "" {
		t.Error(diff)
	}
}
