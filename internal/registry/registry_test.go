package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/respin-project/respin/internal/faults"
	"github.com/respin-project/respin/internal/registry/registrytest"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	firstPause = 2 * time.Millisecond
	os.Exit(m.Run())
}

func open(t testing.TB, repository string, from ...name.Repository) *Repository {
	t.Helper()
	n, err := name.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), n, from)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func random(seed uint64, n int) Blob {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(data)
	return Blob{Digest: Manifest{Data: data}.Digest(), Size: int64(n), Content: bytes.NewReader(data)}
}

func bytesOf(t testing.TB, b Blob) []byte {
	t.Helper()
	data := make([]byte, b.Size)
	if _, err := b.Content.ReadAt(data, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return data
}

// image pushes an image of one layer and returns its entry.
func image(t testing.TB, r *Repository, arch string, layer Blob) (v1.Descriptor, error) {
	t.Helper()
	text := []byte(`{"architecture":"` + arch + `","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["` + layer.Digest.String() + `"]}}`)
	config := Blob{Digest: Manifest{Data: text}.Digest(), Size: int64(len(text)), Content: bytes.NewReader(text)}
	for _, b := range []Blob{layer, config} {
		if _, err := r.PushBlob(context.Background(), b, nil, nil); err != nil {
			return v1.Descriptor{}, err
		}
	}
	data, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: config.Digest, Size: config.Size},
		Layers: []v1.Descriptor{{MediaType: types.OCIUncompressedLayer, Digest: layer.Digest, Size: layer.Size}}})
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{data, types.OCIManifestSchema1}
	d := m.Descriptor()
	d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
	return d, r.PutManifest(context.Background(), m, "")
}

func held(t testing.TB, host, repository string, b Blob) {
	t.Helper()
	response, err := http.Get("http://" + host + "/v2/" + repository + "/blobs/" + b.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || !bytes.Equal(got, bytesOf(t, b)) {
		t.Errorf("the registry has %d bytes, %v", len(got), err)
	}
}

// A connection that breaks between two chunks costs no more than one chunk.
func TestUploadGoesOn(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	var sent, broken atomic.Int64
	way := faults.Handler(t, host, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		if sent.Add(1)%5 == 3 {
			broken.Add(1)
			panic(http.ErrAbortHandler) // closes the connection
		}
		return false
	}, nil)
	r := open(t, way+"/go/on")
	r.chunk = 64 << 10
	var counted int64
	blob := random(1, 50*64<<10+5)
	outcome, err := r.PushBlob(t.Context(), blob, nil, func(n int64) { counted += n })
	if err != nil || outcome != Sent {
		t.Fatal(outcome, err)
	}
	held(t, host, "go/on", blob)
	if extra := sent.Load() - broken.Load() - 50; extra != 0 || broken.Load() < 10 {
		t.Errorf("%d chunks were sent twice, %d connections broken", extra, broken.Load())
	}
	if counted != blob.Size {
		t.Errorf("%d bytes counted of %d", counted, blob.Size)
	}
	if outcome, err := r.PushBlob(t.Context(), blob, nil, nil); err != nil || outcome != Present {
		t.Error("the second time:", outcome, err)
	}
}

// A registry that keeps what it has of a chunk gets only the rest of it: no
// connection here lives long enough for a whole chunk.
func TestUploadGoesOnWithinAChunk(t *testing.T) {
	host := registrytest.Start3(t, t.TempDir())
	var passed atomic.Int64
	lives := rand.New(rand.NewPCG(9, 9))
	way, resets := faults.Cut(t, host, func() int64 {
		n := 50_000 + lives.Int64N(250_000)
		passed.Add(n)
		return n
	})
	r := open(t, way+"/with/in")
	r.chunk = 1 << 20
	blob := random(5, 6<<20)
	if outcome, err := r.PushBlob(t.Context(), blob, nil, nil); err != nil || outcome != Sent {
		t.Fatal(outcome, err)
	}
	held(t, host, "with/in", blob)
	if resets.Load() < 10 || passed.Load() > 2*blob.Size {
		t.Errorf("%d resets, and %d bytes of %d may have passed", resets.Load(), passed.Load(), blob.Size)
	}
}

// A registry that does not gets chunks that a connection lives long enough for.
func TestUploadWithShortConnections(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	way, resets := faults.Cut(t, host, func() int64 { return 9 << 20 })
	r := open(t, way+"/short/lived")
	blob := random(5, 40<<20)
	var sent int64
	if outcome, err := r.PushBlob(t.Context(), blob, nil, func(n int64) { sent += n }); err != nil || outcome != Sent || sent != blob.Size {
		t.Fatal(outcome, err, sent)
	}
	held(t, host, "short/lived", blob)
	if resets.Load() == 0 || resets.Load() > 3 {
		t.Errorf("%d resets", resets.Load())
	}
}

// A reset in the middle of anything ends in the same state.
func TestResets(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	way, resets := faults.Reset(t, host, 1<<20, 7)
	r := open(t, way+"/re/set")
	r.chunk = 64 << 10
	for i := range 8 {
		blob := random(uint64(i), 400<<10)
		d, err := image(t, r, "amd64", blob)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.AddEntries(t.Context(), "x", []v1.Descriptor{d}); err != nil {
			t.Fatal(err)
		}
		held(t, host, "re/set", blob)
	}
	if resets.Load() == 0 {
		t.Error("nothing was reset")
	}
	t.Logf("%d resets", resets.Load())
}

func TestStorm(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	way, refused := faults.Storm(t, host, 0.5, 3)
	r := open(t, way+"/st/orm")
	r.chunk = 8 << 10
	blob := random(1, 100<<10)
	d, err := image(t, r, "arm64", blob)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.AddEntries(t.Context(), "43", []v1.Descriptor{d})
	if err != nil {
		t.Fatal(err)
	}
	held(t, host, "st/orm", blob)
	got, ok, err := open(t, host+"/st/orm").Manifest(t.Context(), "43")
	if err != nil || !ok || !bytes.Equal(got.Data, m.Data) {
		t.Errorf("%s, %v, %v", got.Data, ok, err)
	}
	if refused.Load() < 20 {
		t.Errorf("only %d requests were refused", refused.Load())
	}
}

func TestMount(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	blob := random(1, 1<<20)
	a := open(t, host+"/mount/a")
	if _, err := a.PushBlob(t.Context(), blob, nil, nil); err != nil {
		t.Fatal(err)
	}
	empty, _ := name.NewRepository(host + "/mount/empty")
	from := []name.Repository{empty, a.Name()}
	b := open(t, host+"/mount/b", from...)
	if outcome, err := b.PushBlob(t.Context(), blob, from, nil); err != nil || outcome != Mounted {
		t.Error(outcome, err)
	}
	held(t, host, "mount/b", blob)
	if outcome, err := open(t, host+"/mount/c").PushBlob(t.Context(), blob, []name.Repository{empty}, nil); err != nil || outcome != Sent {
		t.Error(outcome, err)
	}
}

// What arrives damaged is not published, and sent again where that helps.
func TestDamage(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	blob := random(1, 10_000)
	var times atomic.Int64
	often := int64(1)
	way := faults.Handler(t, host, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/uploads/") && times.Add(1) <= often {
			r.Body = faults.Corrupt(r.Body)
		}
		return false
	}, nil)
	r := open(t, way+"/dam/age")
	if _, err := r.PushBlob(t.Context(), blob, nil, nil); err != nil {
		t.Errorf("damaged once: %v", err)
	}
	held(t, host, "dam/age", blob)
	often = 1000
	if _, err := r.PushBlob(t.Context(), random(2, 10), nil, nil); err == nil || !strings.Contains(err.Error(), "DIGEST_INVALID") {
		t.Errorf("damaged always: %v", err)
	}
}

// GitHub's registry takes chunks of 4 MiB.
func TestSmallChunks(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	way := faults.Handler(t, host, func(w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength <= 4<<20 {
			return false
		}
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return true
	}, nil)
	blob := random(1, 18<<20)
	if _, err := open(t, way+"/small/chunks").PushBlob(t.Context(), blob, nil, nil); err != nil {
		t.Fatal(err)
	}
	held(t, host, "small/chunks", blob)
}

func TestFullRegistry(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIP: no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	host := registrytest.Start(t, dir)
	r := open(t, host+"/full/disk")
	d, err := image(t, r, "amd64", random(1, 3<<20))
	if err == nil {
		t.Fatalf("3 MiB fit into 1 MiB: %v", d)
	}
	t.Log(err)
	if _, ok, err := r.Manifest(t.Context(), "43"); ok || err != nil {
		t.Errorf("a tag was made, %v", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	if d, err = image(t, r, "amd64", random(1, 3<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddEntries(t.Context(), "43", []v1.Descriptor{d}); err != nil {
		t.Error(err)
	}
}

var nullLog = log.New(io.Discard, "", 0)
