package repo

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/respin-project/respin/internal/cache"
)

// folder is the content of all files of a folder, by name.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = string(data)
	}
	return all
}

func TestWrite(t *testing.T) {
	comps := filepath.Join(t.TempDir(), "comps.xml")
	os.WriteFile(comps, []byte(compsText), 0o644)
	dir := createrepo(t, testPackages(), "--groupfile="+comps)
	modules := filepath.Join(t.TempDir(), "modules.yaml")
	os.WriteFile(modules, []byte("---\ndocument: modulemd-obsoletes\n...\n"), 0o644)
	run(t, "modifyrepo_c", modules, filepath.Join(dir, "repodata"))
	ctx, f := context.Background(), newFetcher(t)
	s, err := Open(ctx, f, Repository{Name: "test", BaseURLs: []string{dir}, Keys: trust(t, signer())})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Packages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wanted := slices.DeleteFunc(slices.Clone(all), func(p *Package) bool { return p.Version == "1.0" && p.Name == "hello" })
	for _, zstd := range []bool{false, true} {
		out, again := t.TempDir(), t.TempDir()
		if err := s.Write(ctx, out, wanted, WriteOptions{Zstd: zstd}); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(wanted)
		if err := s.Write(ctx, again, wanted, WriteOptions{Zstd: zstd}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(folder(t, filepath.Join(out, "repodata")), folder(t, filepath.Join(again, "repodata"))); diff != "" {
			t.Errorf("the order of packages shows:\n%s", diff)
		}
		for _, p := range wanted {
			data, err := os.ReadFile(filepath.Join(dir, p.Location))
			if err != nil {
				t.Fatal(err)
			}
			os.Mkdir(filepath.Join(out, "Packages"), 0o755)
			os.WriteFile(filepath.Join(out, Place(p)), data, 0o644)
		}
		checkWritten(t, out, wanted)
	}
	if err := s.Write(ctx, t.TempDir(), []*Package{{}}, WriteOptions{}); err == nil || !strings.Contains(err.Error(), "is of another repository") {
		t.Errorf("error is %v", err)
	}
}

func TestWriteOnePlaceForTwo(t *testing.T) {
	s, err := Open(context.Background(), newFetcher(t), Repository{Name: "test", BaseURLs: []string{createrepo(t, testPackages())}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Packages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Write(context.Background(), t.TempDir(), all, WriteOptions{Place: func(*Package) string { return "x.rpm" }})
	if err == nil || !strings.Contains(err.Error(), "would both be at x.rpm") {
		t.Errorf("error is %v", err)
	}
}

// checkWritten reads a repository again, and compares packages, file lists,
// groups and modules with what they were.
func checkWritten(t *testing.T, dir string, want []*Package) {
	t.Helper()
	ctx, f := context.Background(), newFetcher(t)
	s, err := Open(ctx, f, Repository{Name: "written", BaseURLs: []string{dir}, Keys: trust(t, signer())})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Packages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sorted := cmpopts.SortSlices(func(a, b *Package) bool { return a.NEVRA.Compare(b.NEVRA) < 0 })
	if diff := cmp.Diff(want, got, sorted, cmpopts.IgnoreFields(Package{}, "Snapshot", "Location")); diff != "" {
		t.Error(diff)
	}
	lists := 0
	if err := s.Filelists(ctx, func(_ cache.Digest, files []File) error { lists += len(files); return nil }); err != nil || lists != len(want) {
		t.Errorf("%d files, %v", lists, err)
	}
	if c, err := s.Comps(ctx); err != nil || len(c.Groups) != 2 {
		t.Errorf("comps: %+v, %v", c, err)
	}
	if m, err := s.Modules(ctx); err != nil || !bytes.Contains(m, []byte("modulemd")) {
		t.Errorf("modules: %q, %v", m, err)
	}
	if _, err := Fetch(ctx, f, got); err != nil {
		t.Error(err)
	}
}

// dnf takes a written repository for one of its own kind.
func TestWriteForDNF(t *testing.T) {
	if _, err := exec.LookPath("dnf"); err != nil {
		t.Skip("SKIP: dnf is not installed")
	}
	comps := filepath.Join(t.TempDir(), "comps.xml")
	os.WriteFile(comps, []byte(strings.Replace(compsText, ">bash<", ">hello<", 1)), 0o644)
	s, err := Open(context.Background(), newFetcher(t), Repository{Name: "test", BaseURLs: []string{createrepo(t, testPackages()[:2], "--groupfile="+comps)}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Packages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	wanted := slices.DeleteFunc(slices.Clone(all), func(p *Package) bool { return p.Version != "2.0" })
	for _, zstd := range []bool{false, true} {
		out := t.TempDir()
		if err := s.Write(context.Background(), out, wanted, WriteOptions{Zstd: zstd}); err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		dnf := func(args ...string) string {
			cmd := exec.Command("dnf", append([]string{"--quiet", "--installroot=" + root, "--setopt=reposdir=/nonexistent", "--setopt=cachedir=" + root + "/cache",
				"--releasever=1", "--repofrompath=written," + out, "--repo=written"}, args...)...)
			stdout, err := cmd.Output()
			if err != nil {
				t.Fatalf("dnf %q: %v\n%s", args, err, stdout)
			}
			return string(stdout)
		}
		if got := dnf("repoquery", "--location", "--whatprovides", "/usr/bin/hello"); !strings.HasSuffix(strings.TrimSpace(got), out+"/Packages/hello-2.0-1.noarch.rpm") {
			t.Errorf("dnf says %q", got)
		}
		if got := dnf("repoquery", "-l", "hello"); strings.TrimSpace(got) != "/usr/bin/hello" {
			t.Errorf("dnf says %q", got)
		}
		if got := dnf("group", "info", "--hidden", "core"); !strings.Contains(got, "hello") {
			t.Errorf("dnf says %q", got)
		}
	}
}

// A part of a real repository, with everything that its metadata may hold.
func TestCorpusWrite(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, newFetcher(t), Repository{Name: "appstream", BaseURLs: []string{corpus(t, "repodata/osbuild-testrepos/appstream")}})
	if err != nil {
		t.Fatal(err)
	}
	// The corpus has no filelists of these packages.
	s.Records = slices.DeleteFunc(s.Records, func(r Record) bool { return r.Type == "filelists" })
	all, err := s.Packages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var wanted []*Package
	for i := 0; i < len(all); i += 17 {
		wanted = append(wanted, all[i])
	}
	out := t.TempDir()
	if err := s.Write(ctx, out, wanted, WriteOptions{Zstd: true, Place: func(p *Package) string { return p.Location }}); err != nil {
		t.Fatal(err)
	}
	written, err := Open(ctx, newFetcher(t), Repository{BaseURLs: []string{out}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := written.Packages(ctx)
	if diff := cmp.Diff(wanted, got, cmpopts.IgnoreFields(Package{}, "Snapshot")); err != nil || diff != "" {
		t.Errorf("%v\n%.2000s", err, diff)
	}
}
