package pipe

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/fixture"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

// The tags of an RPM header that hold relations: names, flags, versions.
var relations = map[string][3]uint32{
	"provides": {1047, 1112, 1113}, "requires": {1049, 1048, 1050}, "conflicts": {1054, 1053, 1055}, "obsoletes": {1090, 1114, 1115},
}

// sign signs the packages that this file makes.
var sign = rpmtest.NewKey(nil)

// small is a package, written "NAME VERSION KIND:NAME...".
func small(text string) rpmtest.Package {
	words := strings.Fields(text)
	all := map[string][]string{"provides": {words[0]}}
	for _, w := range words[2:] {
		kind, name, _ := strings.Cut(w, ":")
		all[kind] = append(all[kind], name)
	}
	return rpmtest.Package{Name: words[0], Version: words[1], Key: sign, Files: []rpmtest.File{{Path: "/usr/share/" + words[0], Data: words[1]}},
		Header: func(h *rpmtest.Header) {
			for kind, names := range all {
				tags := relations[kind]
				h.Strings(tags[0], names...)
				h.Int32(tags[1], make([]uint32, len(names))...)
				h.Strings(tags[2], make([]string, len(names))...)
			}
		}}
}

// index makes a repository of packages in a folder, in place of one that was
// there, with a security advisory about those of advised, "NAME-VERSION".
func index(t *testing.T, dir string, advised []string, packages ...string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	var fetched []repo.Fetched
	for _, text := range packages {
		data := built(text)
		path := filepath.Join(dir, strings.Join(strings.Fields(text)[:2], "-")+".rpm")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := rpm.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fetched = append(fetched, repo.Fetched{Path: path, Package: &repo.Package{NEVRA: file.NEVRA(), Checksum: cache.SHA256(data), Size: int64(len(data)), Location: filepath.Base(path)}})
	}
	place := func(p *repo.Package) string { return p.Location }
	if err := repo.Create(context.Background(), dir, fetched, nil, repo.WriteOptions{Place: place}); err != nil {
		t.Fatal(err)
	}
	var notice strings.Builder
	notice.WriteString("<updates>")
	for _, a := range advised {
		name, version, _ := strings.Cut(a, "-")
		fmt.Fprintf(&notice, `<update type="security" status="final"><id>TEST-%s</id><title>%s</title><severity>Critical</severity><pkglist><collection>`+
			`<package name="%s" epoch="0" version="%s" release="1" arch="noarch"/></collection></pkglist></update>`, name, name, name, version)
	}
	notice.WriteString("</updates>")
	if err := os.WriteFile(filepath.Join(dir, "repodata/updateinfo.xml"), []byte(notice.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	repomd, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	more := fmt.Sprintf(`<data type="updateinfo"><checksum type="sha256">%x</checksum><location href="repodata/updateinfo.xml"/><timestamp>1</timestamp><size>%d</size></data></repomd>`,
		sha256.Sum256([]byte(notice.String())), notice.Len())
	if err := os.WriteFile(filepath.Join(dir, "repodata/repomd.xml"), []byte(strings.Replace(string(repomd), "</repomd>", more, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

var builds = map[string][]byte{}

// built is the package, the same bytes each time: signatures differ.
func built(text string) []byte {
	if builds[text] == nil {
		builds[text] = small(text).Build()
	}
	return builds[text]
}

// Locks that img-plan updates can be built: with a new requirement, without
// what nothing needs any more, with what took another's place. A security
// respin changes nothing else. What cannot be installed together is refused.
func TestUpdatedLock(t *testing.T) {
	d := fixture.Find(t, "tiny")
	work := t.TempDir()
	more, spec := filepath.Join(work, "more"), filepath.Join(work, "tiny")
	key := filepath.Join(work, "key.asc")
	if err := os.CopyFS(spec, os.DirFS("../fixture/specs/tiny")); err != nil {
		t.Fatal(err)
	}
	ks, err := os.ReadFile(filepath.Join(spec, "tiny.ks"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(ks), "@core\n", "@core\ntool\nssl\nplain\nworn\n", 1)
	text = strings.Replace(text, "lang ", "repo --name=more --baseurl=https://more.invalid/\nlang ", 1)
	for path, text := range map[string][]byte{filepath.Join(spec, "tiny.ks"): []byte(text), key: sign.Public()} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(spec, "lock.x86_64.json")
	repos := []string{"--repo", "url=" + d.Repo(), "--repo", "more=" + more}
	plan := func(exit int, args ...string) {
		t.Helper()
		command(t, exit, nil, "img-plan", slices.Concat(repos, args, []string{spec})...)
	}
	// build returns the packages of ours in the image, its lock and its disk.
	build := func(output string, args ...string) (string, []byte, string) {
		t.Helper()
		output = filepath.Join(work, output)
		args = slices.Concat(repos, []string{"--output", output, "--key", d.Key(), "--key", key}, args)
		command(t, 0, command(t, 0, nil, "ks-render", spec), "img-build", args...)
		folder := filepath.Join(output, "tiny-43-0.x86_64")
		l, err := lock.Read(filepath.Join(folder, "lock.x86_64.json"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		if digest, err := l.Digest(); err != nil || digest != m.Build.Lock || l.Updated {
			t.Errorf("the lock is %s and not %s, %v", digest, m.Build.Lock, err)
		}
		if got := ours(m.Build.Packages); got != ours(l.Packages) {
			t.Errorf("installed are %s, the lock has %s", got, ours(l.Packages))
		}
		text, err := l.Text()
		if err != nil {
			t.Fatal(err)
		}
		return ours(l.Packages), text, m.Path(m.Artifact("raw").Path)
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("installed are %s, want %s", got, want)
		}
	}

	index(t, more, nil, "tool 1 requires:oldlib", "oldlib 1", "ssl 1", "plain 1", "worn 1")
	first, original, _ := build("first")
	expect(first, "oldlib-1 plain-1 ssl-1 tool-1 worn-1")
	if err := os.WriteFile(path, original, 0o644); err != nil {
		t.Fatal(err)
	}
	plan(3)

	// The repository forgets the old packages; the cache has them.
	index(t, more, []string{"ssl-2"}, "tool 2 requires:newlib", "newlib 1", "oldlib 1", "ssl 2 requires:crypto", "crypto 1 requires:random", "random 1", "plain 2", "fresh 1 obsoletes:worn provides:worn")
	plan(0, "--update", "--security")
	security, _, _ := build("security", "--locked", path)
	expect(security, "crypto-1 oldlib-1 plain-1 random-1 ssl-2 tool-1 worn-1")
	plan(3, "--security")

	if err := os.WriteFile(path, original, 0o644); err != nil {
		t.Fatal(err)
	}
	plan(0, "--update")
	if l, err := lock.Read(path); err != nil || !l.Updated || ours(l.Packages) != "crypto-1 fresh-1 newlib-1 oldlib-1 plain-2 random-1 ssl-2 tool-2 worn-1" {
		t.Errorf("the lock has %s, %v", ours(l.Packages), err)
	}
	all, built, disk := build("all", "--locked", path)
	expect(all, "crypto-1 fresh-1 newlib-1 plain-2 random-1 ssl-2 tool-2")
	if again, text, _ := build("cached", "--locked", path); again != all || string(text) != string(built) {
		t.Errorf("from the cache the lock is another one, of %s", again)
	}
	if err := os.WriteFile(path, built, 0o644); err != nil {
		t.Fatal(err)
	}
	plan(3)
	if again, text, twice := build("again", "--locked", path); again != all || string(text) != string(built) || !same(t, disk, twice) {
		t.Errorf("the lock that was built gives another image, of %s", again)
	}

	// A package that is gone for good does not make the image due for ever.
	index(t, more, nil, "tool 2 requires:newlib", "newlib 1", "ssl 2 requires:crypto", "crypto 1 requires:random", "random 1", "fresh 1 obsoletes:worn provides:worn")
	plan(0, "--update")
	plan(3)
	gone, _, _ := build("gone", "--locked", path)
	expect(gone, all)

	// What does not fit together is refused, in the distribution's words.
	index(t, more, nil, "tool 3 conflicts:ssl", "newlib 1", "ssl 2 requires:crypto", "crypto 1 requires:random", "random 1", "plain 2", "fresh 1 obsoletes:worn provides:worn")
	plan(0, "--update")
	said := complaints(t, 1, command(t, 0, nil, "ks-render", spec), "img-build", slices.Concat(repos, []string{"--output", filepath.Join(work, "refused"), "--key", d.Key(), "--key", key, "--locked", path, "--quiet"})...)
	if !strings.Contains(said, "installing packages: dnf") || !strings.Contains(said, "tool-3-1.noarch") || !strings.Contains(said, "hint: a locked build has only what the lock lists") {
		t.Errorf("it says %s", said)
	}
	clitest.Documented(t, said)
}

// ours are the packages that this file makes, sorted.
func ours(all []manifest.Package) string {
	var names []string
	for _, p := range all {
		if p.Repository == "more" {
			names = append(names, p.Name+"-"+p.Version)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
