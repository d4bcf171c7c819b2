package build

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/fixture"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/sandbox/sandboxtest"
)

// The tests build images of the fixture's tiny profile, which takes a second
// or two each. They share one cache, so that the buildroot is made once.
var sharedCache string

func TestMain(m *testing.M) {
	sandbox.Init()
	os.Exit(func() int {
		var err error
		if sharedCache, err = os.MkdirTemp("", "respin-build-test-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(sharedCache)
		return sandboxtest.Run(m)
	}())
}

// tinyDisk and tinyPackages are the parts of a kickstart that most tests do not care about.
const tinyDisk = `bootloader --timeout=0 --append="console=ttyS0"
part biosboot --size=1 --fstype=biosboot
part / --size=200 --fstype=ext4
`

const tinyPackages = "%packages --excludedocs\n@core\n%end\n"

// A bench is an engine to try kickstarts on.
type bench struct {
	*Engine
	tiny fixture.Distribution
	log  strings.Builder
}

func newBench(t *testing.T) *bench {
	t.Helper()
	tiny := fixture.Find(t, "tiny")
	key, err := os.ReadFile(tiny.Key())
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(sharedCache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &bench{tiny: tiny, Engine: &Engine{
		Fetcher: &fetch.Fetcher{Cache: c}, Output: filepath.Join(t.TempDir(), "out"), Keys: [][]byte{key}, SourceDate: 1700000000,
	}}
}

// manifest renders a kickstart that installs from the tiny profile.
func (b *bench) manifest(t *testing.T, text string) *manifest.Manifest {
	t.Helper()
	if !strings.Contains(text, "url --") {
		text = "url --url=" + b.tiny.Repo() + "\n" + text
	}
	l := &kickstart.Loader{Syntax: "F43"}
	ks, err := l.Read(context.Background(), "test.ks", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &manifest.Manifest{Image: manifest.Image{Name: "tiny", Version: "43", Release: "0", Arch: "x86_64"}, Kickstart: ks.Manifest()}
}

func (b *bench) build(t *testing.T, text string) (*manifest.Manifest, error) {
	t.Helper()
	m := b.manifest(t, text)
	return m, b.Build(context.Background(), m)
}

// mustBuild builds and returns the manifest, and leaves no trace but the image's folder.
func (b *bench) mustBuild(t *testing.T, text string) *manifest.Manifest {
	t.Helper()
	m, err := b.build(t, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.failedLog())
	}
	b.onlyHas(t, m.Image.ID())
	return m
}

func (b *bench) failedLog() string {
	text, _ := os.ReadFile(filepath.Join(b.Output, "tiny-43-0.x86_64.failed.log"))
	return string(text)
}

// onlyHas checks what is in the output folder.
func (b *bench) onlyHas(t *testing.T, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(b.Output)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the output folder holds %q, want %q", got, names)
	}
}

// fails builds what cannot be built. What img-build would print must hold each
// of want and stand in docs/errors.md; nothing but a log may be left.
func (b *bench) fails(t *testing.T, text string, want ...string) {
	t.Helper()
	b.refused(t, b.manifest(t, text), want...)
}

func (b *bench) refused(t *testing.T, m *manifest.Manifest, want ...string) {
	t.Helper()
	if err := os.RemoveAll(b.Output); err != nil {
		t.Fatal(err)
	}
	err := b.Build(context.Background(), m)
	if err == nil {
		t.Fatal("it was built")
	}
	printed := clitest.Printed("img-build", err)
	for _, w := range want {
		if !strings.Contains(printed, w) {
			t.Errorf("it says\n%swant %q", printed, w)
		}
	}
	clitest.Documented(t, printed)
	if left, _ := os.ReadDir(b.Output); len(left) > 0 {
		b.onlyHas(t, "tiny-43-0.x86_64.failed.log")
	}
}

func TestImage(t *testing.T) {
	b := newBench(t)
	m := b.mustBuild(t, tinyDisk+tinyPackages)
	folder := m.Folder
	read, err := manifest.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	m.Folder, read.Folder = "", ""
	if !manifest.Equal(m, read) {
		t.Error("manifest.json is not what was returned")
	}
	m.Folder = folder
	if m.Build.Engine != "direct" || m.Build.SourceDate != 1700000000 || m.Build.Unverified || len(m.Build.Filesystems) != 1 || m.Build.TreeBytes == 0 {
		t.Errorf("build is %+v", m.Build)
	}
	for _, a := range m.Artifacts {
		st, err := os.Stat(m.Path(a.Path))
		if err != nil || st.Size() != a.Size {
			t.Errorf("%s: %v, %d bytes, want %d", a.Path, err, st.Size(), a.Size)
		}
	}
	for _, p := range m.Build.Packages {
		if p.Checksum == "" || p.URL == "" || !strings.EqualFold(p.Key, b.tiny.Fingerprint) || p.Repository != "url" {
			t.Errorf("package is %+v", p)
		}
	}
	if _, err := os.Stat(m.Path("logs/build.log")); err != nil {
		t.Error(err)
	}
}

// The same input gives the same bytes, whatever was in the cache.
func TestReproducible(t *testing.T) {
	text := tinyDisk + "rootpw secret\n" + tinyPackages + "%post\necho changed > /etc/issue\n%end\n"
	one, other := newBench(t), newBench(t)
	fresh, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	other.Fetcher = &fetch.Fetcher{Cache: fresh}
	first := one.mustBuild(t, text)
	want := read(t, first.Path(first.Artifact("raw").Path))
	for name, m := range map[string]*manifest.Manifest{"with an empty cache": other.mustBuild(t, text), "from the cache": one.mustBuild(t, text)} {
		if read(t, m.Path(m.Artifact("raw").Path)) != want {
			t.Errorf("%s, the disk is another one", name)
		}
		for _, format := range []string{"lock", "packages", "spdx"} {
			if m.Artifact(format).SHA256 != first.Artifact(format).SHA256 {
				t.Errorf("%s, %s is another one", name, format)
			}
		}
	}
}

// read returns the data of a disk, as a digest would: without its holes it is small.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// extra makes a repository of packages that are made for a test, and returns its folder.
func extra(t *testing.T, packages ...rpmtest.Package) string {
	t.Helper()
	var files [][]byte
	for _, p := range packages {
		files = append(files, p.Build())
	}
	return extraFiles(t, files...)
}

// extraFiles is extra with the packages' bytes.
func extraFiles(t *testing.T, files ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	var fetched []repo.Fetched
	for i, data := range files {
		path := filepath.Join(dir, "Packages", fmt.Sprintf("%d.rpm", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := rpm.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fetched = append(fetched, repo.Fetched{Path: path, Package: &repo.Package{
			NEVRA: file.NEVRA(), Checksum: cache.SHA256(data), Size: int64(len(data)), Location: filepath.Base(path),
		}})
	}
	if err := repo.Create(context.Background(), dir, fetched, nil, repo.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// requires makes a package require a capability.
func requires(name string) func(*rpmtest.Header) {
	return func(h *rpmtest.Header) {
		h.Strings(1049, name)
		h.Strings(1050, "")
		h.Int32(1048, 0)
	}
}

// copyRepo copies a repository, whose files a test may then change.
func copyRepo(t *testing.T, url string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(strings.TrimPrefix(url, "file://"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// flip changes a byte in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, size/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x55
	if _, err := f.WriteAt(b, size/2); err != nil {
		t.Fatal(err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
