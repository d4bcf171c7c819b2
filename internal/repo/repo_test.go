package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

func newFetcher(t testing.TB) *fetch.Fetcher {
	t.Helper()
	c, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &fetch.Fetcher{Cache: c, Backoff: time.Millisecond, Stall: 5 * time.Second}
}

var signer = sync.OnceValue(func() *rpmtest.Key { return rpmtest.NewKey(nil) })

func trust(t testing.TB, key *rpmtest.Key) *rpm.Keyring {
	t.Helper()
	k := &rpm.Keyring{}
	if err := k.Add(key.Public()); err != nil {
		t.Fatal(err)
	}
	return k
}

// testPackages are two packages and the version before of one of them.
func testPackages() []rpmtest.Package {
	file := func(path string) []rpmtest.File { return []rpmtest.File{{Path: path, Data: path}} }
	return []rpmtest.Package{
		{Name: "hello", Version: "2.0", Files: file("/usr/bin/hello"), Key: signer()},
		{Name: "hello", Version: "1.0", Files: file("/usr/bin/hello"), Key: signer()},
		{Name: "lib<&>", Epoch: 1, Files: file("/usr/share/a <b> & \"c\""), Key: signer()},
	}
}

// createrepo makes a repository of packages in a new folder.
func createrepo(t testing.TB, packages []rpmtest.Package, options ...string) string {
	t.Helper()
	if _, err := exec.LookPath("createrepo_c"); err != nil {
		t.Skip("SKIP: createrepo_c is not installed")
	}
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "Packages"), 0o755)
	for _, p := range packages {
		n := rpm.NEVRA{Name: p.Name, EVR: rpm.EVR{Version: p.Version, Release: "1"}, Arch: "noarch"}
		if n.Version == "" {
			n.Version = "1.0"
		}
		if err := os.WriteFile(filepath.Join(dir, "Packages", n.FileName()), p.Build(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "createrepo_c", append([]string{"--quiet", dir}, options...)...)
	return dir
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func names(packages []*Package) []string {
	var all []string
	for _, p := range packages {
		all = append(all, p.NEVRA.String())
	}
	slices.Sort(all)
	return all
}

func TestSnapshot(t *testing.T) {
	comps := filepath.Join(t.TempDir(), "comps.xml")
	os.WriteFile(comps, []byte(compsText), 0o644)
	for _, compression := range []string{"gz", "xz", "zstd", "bz2"} {
		t.Run(compression, func(t *testing.T) {
			if help, err := exec.Command("createrepo_c", "--help").Output(); err == nil && compression == "zstd" && !bytes.Contains(help, []byte("zstd")) {
				t.Skip("SKIP: this createrepo_c does not know zstd")
			}
			dir := createrepo(t, testPackages(), "--general-compress-type="+compression, "--groupfile="+comps)
			updates := filepath.Join(t.TempDir(), "updateinfo.xml")
			os.WriteFile(updates, []byte(updateinfoText), 0o644)
			modules := filepath.Join(t.TempDir(), "modules.yaml")
			os.WriteFile(modules, []byte("---\ndocument: modulemd\n...\n"), 0o644)
			for _, file := range []string{updates, modules} {
				run(t, "modifyrepo_c", "--compress-type="+compression, file, filepath.Join(dir, "repodata"))
			}
			ctx, f := context.Background(), newFetcher(t)
			s, err := Open(ctx, f, Repository{Name: "test", BaseURLs: []string{serve(t, http.FileServer(http.Dir(dir))) + "/"}, Keys: trust(t, signer())})
			if err != nil {
				t.Fatal(err)
			}
			repomd, _ := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
			if s.Repomd != cache.SHA256(repomd) || time.Since(time.Unix(s.Newest, 0)) > time.Hour {
				t.Errorf("repomd %s, newest %d", s.Repomd, s.Newest)
			}
			packages, err := s.Packages(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"hello-1.0-1.noarch", "hello-2.0-1.noarch", "lib<&>-1:1.0-1.noarch"}, names(packages)); diff != "" {
				t.Error(diff)
			}
			var files []string
			if err := s.Filelists(ctx, func(d cache.Digest, list []File) error {
				if !slices.ContainsFunc(packages, func(p *Package) bool { return p.Checksum == d }) {
					t.Errorf("files of %s, which is no package", d)
				}
				for _, file := range list {
					files = append(files, file.Path)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			slices.Sort(files)
			if diff := cmp.Diff([]string{"/usr/bin/hello", "/usr/bin/hello", `/usr/share/a <b> & "c"`}, files); diff != "" {
				t.Error(diff)
			}
			if c, err := s.Comps(ctx); err != nil || c.Group("core") == nil {
				t.Errorf("comps: %+v, %v", c, err)
			}
			if a, err := s.Advisories(ctx); err != nil || len(a) != 1 || len(a[0].CVEs()) != 2 {
				t.Errorf("advisories: %+v, %v", a, err)
			}
			if m, err := s.Modules(ctx); err != nil || !bytes.Contains(m, []byte("modulemd")) {
				t.Errorf("modules: %q, %v", m, err)
			}
			fetched, err := Fetch(ctx, f, packages)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range fetched {
				if got.Package != packages[i] || got.Signer.Fingerprint != signer().Fingerprint() {
					t.Errorf("fetched %+v", got)
				}
				if p, err := rpm.ReadFile(got.Path); err != nil || p.NEVRA() != packages[i].NEVRA {
					t.Errorf("%s: %v", got.Path, err)
				}
			}

			// Everything again without the network.
			offline := &fetch.Fetcher{Cache: f.Cache, Offline: true}
			again, err := Open(ctx, offline, s.Repository)
			if err != nil {
				t.Fatal(err)
			}
			if packages, err = again.Packages(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := Fetch(ctx, offline, packages); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExcludesAndIncludes(t *testing.T) {
	dir := createrepo(t, testPackages())
	for _, test := range []struct {
		r    Repository
		want []string
	}{
		{Repository{Excludes: []string{"hello-1*"}}, []string{"hello-2.0-1.noarch", "lib<&>-1:1.0-1.noarch"}},
		{Repository{Includes: []string{"hello"}, Excludes: []string{"hello-2.0-1.noarch"}}, []string{"hello-1.0-1.noarch"}},
	} {
		test.r.BaseURLs = []string{dir}
		s, err := Open(context.Background(), newFetcher(t), test.r)
		if err != nil {
			t.Fatal(err)
		}
		packages, err := s.Packages(context.Background())
		if diff := cmp.Diff(test.want, names(packages)); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

// metalinkFor is a metalink for the repomd.xml of dir on the servers.
func metalinkFor(dir string, bases ...string) string {
	data, _ := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	var b strings.Builder
	fmt.Fprintf(&b, `<metalink><files><file name="repomd.xml"><size>%d</size><verification><hash type="sha256">%s</hash></verification><resources>`, len(data), cache.SHA256(data).Hex)
	for i, base := range bases {
		fmt.Fprintf(&b, `<url preference="%d">%s/repodata/repomd.xml</url>`, 100-i, base)
	}
	b.WriteString(`</resources></file></files></metalink>`)
	return b.String()
}

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(s)) })
}

// Mirrors that are gone, out of date, or lie are passed over.
func TestMetalink(t *testing.T) {
	dir, old := createrepo(t, testPackages()), createrepo(t, testPackages()[:1], "--set-timestamp-to-revision", "--revision=1")
	good, outdated := serve(t, http.FileServer(http.Dir(dir))), serve(t, http.FileServer(http.Dir(old)))
	gone, page := serve(t, http.NotFoundHandler()), serve(t, text("<html>please log in</html>"))
	link := serve(t, text(metalinkFor(dir, gone, page, outdated, good)))
	for _, r := range []Repository{{Metalink: link}, {Mirrorlist: link}, {Mirrorlist: serve(t, text("# mirrors\n"+gone+"\n"+page+"\n"+good+"\n"))}} {
		r.Name, r.Keys = "fedora", trust(t, signer())
		f := newFetcher(t)
		s, err := Open(context.Background(), f, r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSuffix(s.URL, "/") != good {
			t.Errorf("%s answered, want %s", s.URL, good)
		}
		packages, err := s.Packages(context.Background())
		if err != nil || len(packages) != 3 {
			t.Errorf("%d packages, %v", len(packages), err)
		}
		if _, err := Fetch(context.Background(), f, packages); err != nil {
			t.Error(err)
		}
	}
	_, err := Open(context.Background(), newFetcher(t), Repository{Name: "fedora", Metalink: serve(t, text(metalinkFor(dir, outdated)))})
	if !errors.Is(err, cache.ErrBadDigest) || !strings.Contains(err.Error(), `repository "fedora": fetching repomd.xml: `+outdated) || !strings.Contains(err.Error(), "any version of it that the metalink knows") {
		t.Errorf("error is %v", err)
	}
	_, err = Open(context.Background(), newFetcher(t), Repository{Name: "fedora", Metalink: page})
	if e := (*MetadataError)(nil); !errors.As(err, &e) || e.File != "metalink" {
		t.Errorf("error is %v", err)
	}
	if _, err = Open(context.Background(), newFetcher(t), Repository{Name: "fedora"}); err == nil || err.Error() != `repository "fedora": it has no URL` {
		t.Errorf("error is %v", err)
	}
}

func TestSignedMetadata(t *testing.T) {
	dir := createrepo(t, testPackages())
	path := filepath.Join(dir, "repodata/repomd.xml")
	data, _ := os.ReadFile(path)
	keys := trust(t, signer())
	try := func(r Repository, signature []byte) (*Snapshot, error) {
		os.Remove(path + ".asc")
		if signature != nil {
			os.WriteFile(path+".asc", signature, 0o644)
		}
		r.Name, r.BaseURLs, r.SignedMetadata = "signed", []string{dir}, true
		return Open(context.Background(), newFetcher(t), r)
	}
	s, err := try(Repository{Keys: keys}, signer().Sign(data))
	if err != nil || s.Signer.Fingerprint != signer().Fingerprint() {
		t.Errorf("signed by %+v, %v", s, err)
	}
	other := rpmtest.NewKey(nil)
	for name, test := range map[string]struct {
		keys      *rpm.Keyring
		signature []byte
		want      string
	}{
		"missing":    {keys, nil, `repository "signed": fetching repomd.xml.asc: ` + path + `.asc: not found`},
		"other key":  {keys, other.Sign(data), `repository "signed": repomd.xml is signed by an unknown key (key id ` + other.Fingerprint()[24:] + `)`},
		"other data": {keys, signer().Sign(data[1:]), `repository "signed": repomd.xml has a bad signature`},
		"no keys":    {nil, signer().Sign(data), "there are no keys to check that with"},
	} {
		if _, err := try(Repository{Keys: test.keys}, test.signature); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %q", name, err, test.want)
		}
	}
	// A mirror with a bad signature is passed over.
	os.WriteFile(path+".asc", signer().Sign(data), 0o644)
	bad := createrepo(t, testPackages())
	os.WriteFile(filepath.Join(bad, "repodata/repomd.xml.asc"), other.Sign(data), 0o644)
	s, err = Open(context.Background(), newFetcher(t), Repository{BaseURLs: []string{bad, dir}, Keys: keys, SignedMetadata: true})
	if err != nil || s.URL != dir {
		t.Errorf("%+v, %v", s, err)
	}
}

// Metadata that is not what repomd.xml says is refused, however it differs.
func TestTamperedMetadata(t *testing.T) {
	edit := func(t *testing.T, kind string, change func([]byte) []byte) string {
		dir := createrepo(t, testPackages(), "--general-compress-type=gz")
		paths, _ := filepath.Glob(filepath.Join(dir, "repodata", "*"+kind))
		data, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(paths[0], change(data), 0o644)
		return dir
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("there is no %q to replace", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	openSize := func(b []byte) []byte {
		i := bytes.Index(b, []byte("<open-size>"))
		b[i+len("<open-size>")]--
		return b
	}
	openSum := func(b []byte) []byte {
		i := bytes.Index(b, []byte("<open-checksum type=\"sha256\">")) + len("<open-checksum type=\"sha256\">")
		b[i] ^= 1
		if b[i] > 'f' || b[i] == '`' || b[i] == ':' {
			b[i] = '5'
		}
		return b
	}
	for name, test := range map[string]struct {
		kind   string
		change func([]byte) []byte
		want   string
	}{
		"a changed byte": {"primary.xml.gz", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "digest does not match"},
		"cut":            {"primary.xml.gz", func(b []byte) []byte { return b[:len(b)-1] }, "the transfer ended after"},
		"longer":         {"primary.xml.gz", func(b []byte) []byte { return append(b, 0) }, "there are more than"},
		"open size":      {"repomd.xml", openSize, "it unpacks to more than it should"},
		"open checksum":  {"repomd.xml", openSum, "it does not unpack to sha256:"},
		"weak checksums": {"repomd.xml", replace(`checksum type="sha256"`, `checksum type="md5"`), `checksum type "md5" is too weak to be trusted`},
		"outside":        {"repomd.xml", replace(`href="repodata/`, `href="../../../etc/`), "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(context.Background(), newFetcher(t), Repository{Name: "bad", BaseURLs: []string{edit(t, test.kind, test.change)}})
			if err == nil {
				_, err = s.Packages(context.Background())
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `repository "bad": `) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}

// rewrite changes what a repository's primary says, and makes repomd.xml agree.
func rewrite(t *testing.T, dir, old, new string) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(dir, "repodata/*primary.xml*"))
	plain := filepath.Join(t.TempDir(), "primary.xml")
	data := []byte(run(t, "zcat", paths[0]))
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("there is no %q to replace", old)
	}
	os.WriteFile(plain, bytes.Replace(data, []byte(old), []byte(new), 1), 0o644)
	run(t, "modifyrepo_c", "--mdtype=primary", plain, filepath.Join(dir, "repodata"))
}

// Packages that are not what they should be are refused, each error naming package and repository.
func TestFetchRefuses(t *testing.T) {
	other := rpmtest.NewKey(nil)
	packages := func(edit func(*rpmtest.Package)) []rpmtest.Package {
		p := testPackages()[:1]
		edit(&p[0])
		return p
	}
	for name, test := range map[string]struct {
		packages []rpmtest.Package
		keys     *rpm.Keyring
		change   func(t *testing.T, dir string)
		want     string
	}{
		"unsigned":  {packages(func(p *rpmtest.Package) { p.Key = nil }), trust(t, signer()), nil, `repository "test": hello-2.0-1.noarch is not signed`},
		"other key": {packages(func(p *rpmtest.Package) { p.Key = other }), trust(t, signer()), nil, "is signed by an unknown key (key id " + other.Fingerprint()[24:] + ")"},
		"nobody":    {packages(func(p *rpmtest.Package) {}), &rpm.Keyring{}, nil, "is signed by an unknown key"},
		"tampered, but the metadata agrees": {packages(func(p *rpmtest.Package) {
			p.Archive = func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("hello"), []byte("jello")) }
			p.Header = func(h *rpmtest.Header) { h.Strings(5092, sum) }
		}), trust(t, signer()), nil, "is damaged: its payload SHA-256 digest does not match"},
		"another file": {packages(func(p *rpmtest.Package) {}), trust(t, signer()), func(t *testing.T, dir string) {
			path := filepath.Join(dir, "Packages/hello-2.0-1.noarch.rpm")
			data, _ := os.ReadFile(path)
			data[len(data)-1] ^= 1
			os.WriteFile(path, data, 0o644)
		}, "fetching hello-2.0-1.noarch: "},
		"another package": {packages(func(p *rpmtest.Package) {}), trust(t, signer()), func(t *testing.T, dir string) {
			rewrite(t, dir, `ver="2.0"`, `ver="3.0"`)
		}, `repository "test": verifying hello-3.0-1.noarch: it is hello-2.0-1.noarch`},
		"gone": {packages(func(p *rpmtest.Package) {}), trust(t, signer()), func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, "Packages/hello-2.0-1.noarch.rpm"))
		}, "fetching hello-2.0-1.noarch: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := createrepo(t, test.packages, "--general-compress-type=gz")
			if test.change != nil {
				test.change(t, dir)
			}
			f := newFetcher(t)
			s, err := Open(context.Background(), f, Repository{Name: "test", BaseURLs: []string{dir}, Keys: test.keys})
			if err != nil {
				t.Fatal(err)
			}
			all, err := s.Packages(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // what was refused once is refused again
				if _, err = Fetch(context.Background(), f, all); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error is %v, want %q", err, test.want)
				}
			}
		})
	}
}

// What was verified with some keys counts for these keys only.
func TestVerifiedOncePerKeyring(t *testing.T) {
	dir := createrepo(t, testPackages())
	f := newFetcher(t)
	try := func(keys *rpm.Keyring) ([]Fetched, error) {
		s, err := Open(context.Background(), f, Repository{Name: "test", BaseURLs: []string{dir}, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Packages(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return Fetch(context.Background(), f, all)
	}
	for range 2 {
		if got, err := try(nil); err != nil || got[0].Signer != nil {
			t.Errorf("without keys: %v", err)
		}
		if _, err := try(&rpm.Keyring{}); err == nil {
			t.Error("nobody is trusted, but it was taken")
		}
		got, err := try(trust(t, signer()))
		if err != nil || got[0].Signer.Fingerprint != signer().Fingerprint() || got[0].Signer.UserID == "" || got[0].Signer.Time.IsZero() {
			t.Errorf("with keys: %+v, %v", got, err)
		}
	}
}

// A package that left the mirrors is found in the archive.
func TestFallback(t *testing.T) {
	dir := createrepo(t, testPackages())
	data, err := os.ReadFile(filepath.Join(dir, "Packages/hello-2.0-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, "Packages/hello-2.0-1.noarch.rpm"))
	short := signer().Fingerprint()[32:]
	var mu sync.Mutex
	var asked []string
	archive := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
		if r.URL.Path == "/packages/hello/2.0/1/data/signed/"+short+"/noarch/hello-2.0-1.noarch.rpm" {
			w.Write(data)
			return
		}
		w.WriteHeader(404)
	}))
	f := newFetcher(t)
	s, err := Open(context.Background(), f, Repository{Name: "test", BaseURLs: []string{dir}, Keys: trust(t, signer()), Fallbacks: []string{archive + "/packages/"}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Packages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(context.Background(), f, all); err != nil {
		t.Errorf("%v; asked for %q", err, asked)
	}
	p := &Package{NEVRA: rpm.NEVRA{Name: "grub2-tools", EVR: rpm.EVR{Epoch: 1, Version: "2.12", Release: "40.fc43"}, Arch: "x86_64"}, Source: "grub2-2.12-40.fc43.src.rpm", Snapshot: &Snapshot{}}
	want := []string{"https://kojipkgs.fedoraproject.org/packages/grub2/2.12/40.fc43/x86_64/grub2-tools-2.12-40.fc43.x86_64.rpm"}
	if diff := cmp.Diff(want, p.archived(FedoraArchive)); diff != "" {
		t.Error(diff)
	}
}

// A lock's package is fetched without its repository's metadata.
func TestFetchByHand(t *testing.T) {
	data := testPackages()[0].Build()
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/old/hello.rpm" {
			w.WriteHeader(404)
		}
		w.Write(data)
	}))
	p := &Package{
		NEVRA:    rpm.NEVRA{Name: "hello", EVR: rpm.EVR{Version: "2.0", Release: "1"}, Arch: "noarch"},
		Checksum: cache.SHA256(data), Size: -1, Base: server + "/old", Location: "hello.rpm",
		Snapshot: &Snapshot{Repository: Repository{Name: "gone", Keys: trust(t, signer())}},
	}
	f := newFetcher(t)
	got, err := Fetch(context.Background(), f, []*Package{p})
	if err != nil || got[0].Signer.Fingerprint != signer().Fingerprint() || got[0].URL != server+"/old/hello.rpm" {
		t.Fatalf("%+v, %v", got, err)
	}
	dir := t.TempDir()
	if err := Create(context.Background(), dir, got, nil, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), f, Repository{BaseURLs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Packages(context.Background())
	if diff := cmp.Diff([]string{"hello-2.0-1.noarch"}, names(all)); err != nil || diff != "" || all[0].Size != int64(len(data)) {
		t.Errorf("%v, %+v\n%s", err, all, diff)
	}
	p.Snapshot.Keys = &rpm.Keyring{}
	if _, err = Fetch(context.Background(), f, []*Package{p}); len(hint.Of(err)) != 1 || !strings.Contains(hint.Of(err)[0], signer().Fingerprint()[24:]) {
		t.Errorf("error is %v, hints are %q", err, hint.Of(err))
	}
}

// Metadata from a server does not make us read files of this machine.
func TestNoLocalFilesForServers(t *testing.T) {
	remote := &Snapshot{URL: "https://a.example/x", bases: []string{"https://a.example/x"}}
	local := &Snapshot{URL: "/srv/x", bases: []string{"/srv/x"}}
	for _, test := range []struct {
		s    *Snapshot
		base string
		want string
	}{
		{remote, "", "https://a.example/x"}, {remote, "https://b.example/", "https://b.example/"}, {remote, "file:///etc", "https://a.example/x"},
		{remote, "/etc", "https://a.example/x"}, {local, "file:///srv/y", "file:///srv/y"}, {local, "", "/srv/x"},
	} {
		if got := test.s.basesOr(test.base); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s, base %q: got %q", test.s.URL, test.base, got)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, test := range [][3]string{
		{"https://a.example/x", "repodata/repomd.xml", "https://a.example/x/repodata/repomd.xml"},
		{"https://a.example/x/", "P/a+b~c^1.rpm", "https://a.example/x/P/a+b~c%5E1.rpm"},
		{"https://me:pw@a.example/x?token=1", "a%20b", "https://me:pw@a.example/x/a%2520b?token=1"},
		{"https://a.example/x/", "../y/a", "https://a.example/y/a"},
		{"file:///srv/x", "a b", "file:///srv/x/a%20b"},
		{"/srv/x/", "a b", "/srv/x/a b"},
	} {
		if got := join(test[0], test[1]); got != test[2] {
			t.Errorf("join(%q, %q) = %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

// The repositories of the corpus, as their distributions published them.
func TestCorpusRepositories(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, newFetcher(t), Repository{Name: "appstream", BaseURLs: []string{corpus(t, "repodata/osbuild-testrepos/appstream")}})
	if err != nil {
		t.Fatal(err)
	}
	packages, err := s.Packages(ctx)
	if err != nil || len(packages) != 17649 {
		t.Fatalf("%d packages, %v", len(packages), err)
	}
	i := slices.IndexFunc(packages, func(p *Package) bool { return p.Name == "podman" })
	if i < 0 || len(packages[i].Requires) == 0 || packages[i].Source == "" || packages[i].Size == 0 {
		t.Errorf("podman is %+v", packages[i])
	}
	for _, p := range packages {
		if _, err := rpm.ParseNEVRA(p.Source); err != nil {
			t.Errorf("%s: %v", p.NEVRA, err)
		}
	}
	if c, err := s.Comps(ctx); err != nil || len(c.Groups) == 0 {
		t.Errorf("comps: %v", err)
	}
	if m, err := s.Modules(ctx); err != nil || !bytes.Contains(m, []byte("modulemd")) {
		t.Errorf("modules: %v", err)
	}

	custom, err := Open(ctx, newFetcher(t), Repository{Name: "custom", BaseURLs: []string{corpus(t, "repodata/osbuild-testrepos/custom")}})
	if err != nil {
		t.Fatal(err)
	}
	if packages, err = custom.Packages(ctx); err != nil || len(packages) == 0 {
		t.Errorf("%d packages, %v", len(packages), err)
	}
	if c, err := custom.Comps(ctx); c != nil || err != nil {
		t.Errorf("comps: %v, %v", c, err)
	}
	base, err := Open(ctx, newFetcher(t), Repository{Name: "baseos", BaseURLs: []string{corpus(t, "repodata/osbuild-testrepos/baseos")}})
	if err != nil {
		t.Fatal(err)
	}
	lists, files := 0, 0
	err = base.read(ctx, "filelists", base.record("filelists"), func(r io.Reader) error {
		return parseFilelists(r, "sha256", func(_ cache.Digest, list []File) error { lists++; files += len(list); return nil })
	})
	if err != nil || lists < 1000 || files < 100000 {
		t.Errorf("%d lists with %d files, %v", lists, files, err)
	}
}
