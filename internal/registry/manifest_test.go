package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	inprocess "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/respin-project/respin/internal/faults"
	"github.com/respin-project/respin/internal/registry/registrytest"
)

// Machines that push different architectures at the same time lose none.
func TestEntriesAtTheSameTime(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	machines := []string{"amd64", "arm64", "ppc64le", "s390x", "riscv64", "386"}
	for round := range 8 {
		repository := fmt.Sprintf("%s/same/time%d", host, round)
		var work sync.WaitGroup
		for i, arch := range machines {
			work.Go(func() {
				r := open(t, repository)
				d, err := image(t, r, arch, random(uint64(i), 100))
				if err == nil {
					_, err = r.AddEntries(t.Context(), "43", []v1.Descriptor{d})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		ref, _ := name.NewTag(repository + ":43")
		index, err := remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		m, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range m.Manifests {
			if _, err := remote.Image(ref.Digest(d.Digest.String())); err != nil {
				t.Error(err)
			}
			got = append(got, d.Platform.Architecture)
		}
		if want := slices.Sorted(slices.Values(machines)); !slices.Equal(got, want) {
			t.Fatalf("round %d: the index has %q, want %q", round, got, want)
		}
	}
}

// Entries of others stay, those of the same platform are replaced, and a tag
// that held a single image becomes an index.
func TestEntriesReplace(t *testing.T) {
	r := open(t, registrytest.Start(t, t.TempDir())+"/re/place")
	ctx := t.Context()
	old, err := image(t, r, "amd64", random(1, 10))
	if err != nil {
		t.Fatal(err)
	}
	single, _, err := r.Manifest(ctx, old.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.PutManifest(ctx, single, "x"); err != nil {
		t.Fatal(err)
	}
	foreign, _ := image(t, r, "mips64le", random(2, 10))
	other, _ := index([]v1.Descriptor{foreign}, nil)
	if err := r.PutManifest(ctx, other, "y"); err != nil {
		t.Fatal(err)
	}
	next, _ := image(t, r, "amd64", random(3, 10))
	for tag, want := range map[string]string{"x": "amd64", "y": "amd64 mips64le"} {
		for _, d := range []v1.Descriptor{old, next, next} {
			if _, err := r.AddEntries(ctx, tag, []v1.Descriptor{d}); err != nil {
				t.Fatal(err)
			}
		}
		m, _, err := r.Manifest(ctx, tag)
		if err != nil {
			t.Fatal(err)
		}
		list, err := v1.ParseIndexManifest(bytes.NewReader(m.Data))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range list.Manifests {
			got = append(got, d.Platform.Architecture)
		}
		if strings.Join(got, " ") != want || list.Manifests[0].Digest != next.Digest {
			t.Errorf("%s: %s", tag, m.Data)
		}
	}
}

// A registry that says it stored something else is not believed.
func TestWrongChecksum(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	way := faults.Handler(t, host, nil, func(r *http.Response) error {
		if r.Request.Method == http.MethodPut && strings.Contains(r.Request.URL.Path, "/manifests/") {
			r.Header.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
		}
		return nil
	})
	d, err := image(t, open(t, way+"/wrong/sum"), "amd64", random(1, 10))
	if err == nil || !strings.Contains(err.Error(), "the registry says it stored sha256:000") {
		t.Error(err)
	}
	if _, ok, err := open(t, host+"/wrong/sum").Manifest(t.Context(), "43"); ok || err != nil {
		t.Errorf("a tag was made, %v", err)
	}
	lying := faults.Handler(t, host, nil, func(r *http.Response) error {
		if r.Request.Method == http.MethodGet && strings.Contains(r.Request.URL.Path, "/manifests/") {
			r.Body = faults.Corrupt(r.Body)
		}
		return nil
	})
	if _, _, err := open(t, lying+"/wrong/sum").Manifest(t.Context(), d.Digest.String()); !errors.Is(err, errDamaged) {
		t.Errorf("a damaged manifest: %v", err)
	}
}

// Referrers are listed by the registry, or by a tag where it has no lists.
func TestReferrers(t *testing.T) {
	listing := httptest.NewServer(inprocess.New(inprocess.WithReferrersSupport(true), inprocess.Logger(nullLog)))
	defer listing.Close()
	for kind, host := range map[string]string{"tag": registrytest.Start(t, t.TempDir()), "list": strings.TrimPrefix(listing.URL, "http://")} {
		r := open(t, host+"/refer/rers")
		subject, err := image(t, r, "amd64", random(1, 10))
		if err != nil {
			t.Fatal(err)
		}
		var work sync.WaitGroup
		for i := range 6 {
			work.Go(func() {
				if err := attach(t, r, subject, fmt.Sprintf("application/x-%d", i)); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			})
		}
		work.Wait()
		if err := attach(t, r, subject, "application/x-0"); err != nil { // once more
			t.Error(err)
		}
		digest := r.Name().Digest(subject.Digest.String())
		found, err := remote.Referrers(digest)
		if err != nil {
			t.Fatal(err)
		}
		list, err := found.IndexManifest()
		if err != nil || len(list.Manifests) != 6 {
			t.Errorf("%s: %+v, %v", kind, list, err)
		}
		_, tagged, err := r.Manifest(t.Context(), "sha256-"+subject.Digest.Hex)
		if err != nil || tagged != (kind == "tag") {
			t.Errorf("%s: the tag is there: %v, %v", kind, tagged, err)
		}
	}
}

func attach(t testing.TB, r *Repository, subject v1.Descriptor, kind string) error {
	t.Helper()
	empty := Blob{Digest: Manifest{Data: []byte("{}")}.Digest(), Size: 2, Content: strings.NewReader("{}")}
	if _, err := r.PushBlob(t.Context(), empty, nil, nil); err != nil {
		return err
	}
	d := v1.Descriptor{MediaType: "application/vnd.oci.empty.v1+json", Digest: empty.Digest, Size: 2}
	data, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: kind,
		Config: d, Layers: []v1.Descriptor{d}, Subject: &subject})
	if err != nil {
		t.Fatal(err)
	}
	return r.Attach(t.Context(), Manifest{data, types.OCIManifestSchema1})
}

// A wrong password is refused with what to do, and is in no message.
func TestLogin(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user == "me" && password == "right" {
			inprocess.New(inprocess.Logger(nullLog)).ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for password, ok := range map[string]bool{"right": true, "s3cret-wrong": false} {
		dir := t.TempDir()
		t.Setenv("DOCKER_CONFIG", dir)
		text := fmt.Sprintf(`{"auths":{%q:{"username":"me","password":%q}}}`, host, password)
		if err := os.WriteFile(dir+"/config.json", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, host+"/log/in").PushBlob(t.Context(), random(1, 10), nil, nil)
		if ok != (err == nil) || err != nil && (strings.Contains(err.Error(), password) || status(err) != 401) {
			t.Errorf("%s: %v", password, err)
		}
	}
}
