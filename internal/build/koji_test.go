package build

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

// A koji is a build system's archive of packages.
type koji struct {
	url string

	mu    sync.Mutex
	files map[string][]byte
	asked []string
}

func newKoji(t *testing.T) *koji {
	k := &koji{files: map[string][]byte{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		defer k.mu.Unlock()
		path := strings.TrimPrefix(r.URL.Path, "/packages/")
		k.asked = append(k.asked, path)
		if data, ok := k.files[path]; ok {
			w.Write(data)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	k.url = server.URL + "/packages/"
	return k
}

// holds makes the archive hold this, and forgets what it was asked for.
func (k *koji) holds(files map[string][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.files, k.asked = files, nil
}

func (k *koji) requests() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(slices.Values(k.asked))
}

// dropped is a lock and its kickstart after their repository, which is on
// the network, dropped a package of theirs.
type dropped struct {
	*bench
	text string
	lock *lock.Lock
	disk string // that the lock gives
	old  []byte // the package
}

const (
	oldSource = "stuff-3-2.src.rpm" // which is called otherwise than what was built from it
	oldFile   = "noarch/thing-1.0-1.noarch.rpm"
)

func drop(t *testing.T) *dropped {
	t.Helper()
	b := newBench(t)
	p := thing("1.0")
	p.Header = func(h *rpmtest.Header) { h.String(1044, oldSource) }
	b.Keys = append(b.Keys, signer.Public())
	dir := extra(t, p)
	old, err := os.ReadFile(filepath.Join(dir, "Packages/0.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	d := &dropped{bench: b, old: old, text: tinyDisk + "repo --name=more --baseurl=" + server.URL + "\n%packages --excludedocs\n@core\nthing\n%end\n"}
	first := b.mustBuild(t, d.text)
	d.lock, d.disk = lockOf(t, first), read(t, first.Path(first.Artifact("raw").Path))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(extra(t, thing("2.0")))); err != nil {
		t.Fatal(err)
	}
	b.Fetcher.Attempts, b.Fetcher.Backoff = 2, time.Millisecond
	b.Locks = []*lock.Lock{d.lock}
	d.forget(t)
	return d
}

// thing is the package in the lock.
func (d *dropped) thing(t *testing.T) *manifest.Package {
	t.Helper()
	at := slices.IndexFunc(d.lock.Packages, func(p manifest.Package) bool { return p.Name == "thing" })
	if at < 0 {
		t.Fatal("the lock does not have the package")
	}
	return &d.lock.Packages[at]
}

// forget removes the package from the cache.
func (d *dropped) forget(t *testing.T) {
	t.Helper()
	digest, err := cache.ParseDigest(d.thing(t).Checksum)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(sharedCache, "blobs/sha256", digest.Hex[:2], digest.Hex)); err != nil {
		t.Fatal(err)
	}
}

// What the repository dropped comes from the build system, and gives the same bits.
func TestKoji(t *testing.T) {
	d, k := drop(t), newKoji(t)
	if got := d.thing(t).Source; got != oldSource {
		t.Fatalf("the lock says that the source is %q", got)
	}
	signed := "stuff/3/2/data/signed/" + signer.Fingerprint()[32:] + "/" + oldFile
	tiny := "stuff/3/2/data/signed/" + strings.ToLower(d.tiny.Fingerprint[32:]) + "/" + oldFile
	same := func(m *manifest.Manifest) {
		t.Helper()
		if read(t, m.Path(m.Artifact("raw").Path)) != d.disk {
			t.Error("the disk is another one")
		}
		if got, err := lockOf(t, m).Digest(); err != nil || got != m.Build.Lock {
			t.Errorf("the lock is another one: %s, %v", got, err)
		}
	}
	k.holds(map[string][]byte{signed: d.old})
	d.Koji = &k.url
	same(d.mustBuild(t, d.text))
	if got := k.requests(); !slices.Contains(got, signed) || slices.ContainsFunc(got, func(path string) bool { return path != signed && path != tiny }) {
		t.Errorf("it was asked for %q", got)
	}

	// The spec may say where it is; the flag counts before it.
	d.forget(t)
	m := d.manifest(t, d.text)
	m.Spec = &manifest.Spec{Path: "specs/tiny", Koji: &k.url}
	d.Koji = nil
	if err := d.Build(t.Context(), m); err != nil {
		t.Fatalf("%v\n%s", err, d.failedLog())
	}
	same(m)
	d.forget(t)
	d.Koji = new("")
	k.holds(k.files)
	d.refused(t, m, "fetching what the lock lists: fetching thing-1.0-1.noarch ("+d.thing(t).Checksum+"): ", "hint: if it has been dropped there, build without --locked")
	if got := k.requests(); len(got) > 0 {
		t.Errorf("switched off, it was asked for %q", got)
	}

	// A folder that is laid out like it does as well.
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, signed)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, signed), d.old, 0o644); err != nil {
		t.Fatal(err)
	}
	d.Koji = &folder
	same(d.mustBuild(t, d.text))
}

// Nothing but the very package of the lock is taken, and only if it is signed.
func TestKojiRefused(t *testing.T) {
	d, k := drop(t), newKoji(t)
	d.Koji = &k.url
	signed := "stuff/3/2/data/signed/" + signer.Fingerprint()[32:] + "/" + oldFile
	built := "stuff/3/2/" + oldFile
	unsigned := thing("1.0")
	unsigned.Key = nil
	checksum := d.thing(t).Checksum
	name := "fetching what the lock lists: fetching thing-1.0-1.noarch (" + checksum + "): "

	t.Run("not there", func(t *testing.T) {
		k.holds(nil)
		d.fails(t, d.text, name, "not found (404 Not Found)", "hint: it was looked for at http://", "/Packages/0.rpm, ", ", "+k.url+signed+", ", ", "+k.url+built+"\n",
			"hint: if it has been dropped there, build without --locked, or give a place that keeps old packages with --koji or --repo")
		if got := k.requests(); !slices.Contains(got, signed) || !slices.Contains(got, built) {
			t.Errorf("it was asked for %q", got)
		}
	})
	t.Run("another file", func(t *testing.T) {
		wrong := slices.Clone(d.old)
		wrong[len(wrong)/2] ^= 1
		k.holds(map[string][]byte{signed: wrong, built: unsigned.Build()})
		d.fails(t, d.text, name, "digest does not match: it is sha256:", " instead of "+checksum, "the server has "+fmt.Sprint(len(unsigned.Build()))+" bytes instead of")
	})
	t.Run("no answer", func(t *testing.T) {
		d.Koji = new("http://127.0.0.1:1/packages")
		d.fails(t, d.text, name, "connection refused", "hint: it was looked for at http://", "/Packages/0.rpm, http://127.0.0.1:1/packages/stuff/3/2/")
		d.Koji = &k.url
	})
	t.Run("offline", func(t *testing.T) {
		k.holds(map[string][]byte{signed: d.old})
		d.Fetcher.Offline = true
		d.fails(t, d.text, name, "it is not in the cache, and the build is offline", "hint: build once without --offline, with the same cache")
		d.Fetcher.Offline = false
		if got := k.requests(); len(got) > 0 {
			t.Errorf("offline, it was asked for %q", got)
		}
	})
	t.Run("not signed", func(t *testing.T) { // by a lock that wants it so
		data := unsigned.Build()
		p := d.thing(t)
		p.Checksum, p.Size = cache.SHA256(data).String(), int64(len(data))
		k.holds(map[string][]byte{built: data})
		d.fails(t, d.text, `fetching what the lock lists: repository "more": thing-1.0-1.noarch is not signed: there is no signature`)
	})
	t.Run("another package", func(t *testing.T) { // which is signed
		data := thing("2.0").Build()
		p := d.thing(t)
		p.Checksum, p.Size = cache.SHA256(data).String(), int64(len(data))
		k.holds(map[string][]byte{signed: data})
		d.fails(t, d.text, `fetching what the lock lists: repository "more": verifying thing-1.0-1.noarch: it is thing-2.0-1.noarch`)
	})
	t.Run("a path that leads elsewhere", func(t *testing.T) {
		p := d.thing(t)
		p.Checksum, p.Source = checksum, "../../secret-3-2.src.rpm"
		k.holds(map[string][]byte{})
		d.fails(t, d.text, name)
		if got := k.requests(); len(got) > 0 {
			t.Errorf("it was asked for %q", got)
		}
	})
	t.Run("a lock that does not know the source", func(t *testing.T) {
		d.thing(t).Source = ""
		d.fails(t, d.text, name)
	})
}
