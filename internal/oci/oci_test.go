package oci

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/containerdisk"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/layer"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/podmanmachine"
	"github.com/respin-project/respin/internal/registry"
)

// archive writes an OCI archive as img-convert makes it.
func archive(t testing.TB, name string) string {
	t.Helper()
	var a interface {
		Head() int64
	} = containerdisk.New("aarch64")
	f := &blocktest.File{Data: append(make([]byte, a.Head()), blocktest.Disk(1, 7_001)...)}
	err := containerdisk.New("aarch64").Finish(f, 7_001)
	if strings.Contains(name, "machine") {
		m := podmanmachine.Qemu("disk", "x86_64")
		f = &blocktest.File{Data: append(make([]byte, m.Head()), blocktest.Disk(1, 7_001)...)}
		err = m.Finish(f, 7_001)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, f.Data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// intact holds an image's blobs against their digests.
func intact(t *testing.T, i *Image) {
	t.Helper()
	var m v1.Manifest
	if err := json.Unmarshal(i.Manifest.Data, &m); err != nil {
		t.Fatal(err)
	}
	if i.Entry.Digest != i.Manifest.Digest() || len(i.Blobs) != len(m.Layers)+1 {
		t.Errorf("entry %+v, %d blobs", i.Entry, len(i.Blobs))
	}
	for _, b := range i.Blobs {
		data := make([]byte, b.Size)
		if _, err := b.Content.ReadAt(data, 0); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if got := (registry.Manifest{Data: data}).Digest(); got != b.Digest {
			t.Errorf("blob %s has the digest %s", b.Digest, got)
		}
	}
}

func TestLayouts(t *testing.T) {
	for name, key := range map[string]string{"disk.containerdisk.oci.tar": "arm64", "disk.podman-machine.oci.tar": "x86_64-qemu"} {
		path := archive(t, name)
		folder := filepath.Join(t.TempDir(), "layout")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("tar", "-C", folder, "-xf", path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, path := range []string{path, folder} {
			images, err := FromFile(t.Context(), path, "", About{}, layer.Gzip)
			if err != nil {
				t.Fatal(err)
			}
			if len(images) != 1 || registry.Key(images[0].Entry) != key {
				t.Fatalf("%s: %+v", path, images)
			}
			intact(t, images[0])
			digest := images[0].Manifest.Digest()
			if err := images[0].Annotate(map[string]string{"a": "b"}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(images[0].Manifest.Data, []byte(`"a":"b"`)) || images[0].Entry.Digest == digest || registry.Key(images[0].Entry) != key {
				t.Errorf("annotated: %s", images[0].Manifest.Data)
			}
			if err := CloseAll(images); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestContainer(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/sh"), []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	about := About{Arch: "x86_64"}.With(map[string]string{"org.opencontainers.image.title": "x"}, map[string]string{"mine": "1"})
	images, err := FromFile(t.Context(), dir, "", about, layer.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(images)
	intact(t, images[0])
	text := make([]byte, images[0].Blobs[1].Size)
	images[0].Blobs[1].Content.ReadAt(text, 0)
	for _, want := range []string{`"Cmd":["/bin/sh"]`, `"mine":"1"`, `"org.opencontainers.image.title":"x"`, `"architecture":"amd64"`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

func TestDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(path, []byte("disk"), 0o644); err != nil {
		t.Fatal(err)
	}
	images, err := FromFile(t.Context(), path, "", About{Arch: "aarch64"}, layer.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(images)
	intact(t, images[0])
	if images[0].Entry.ArtifactType != "application/x-qemu-disk" || registry.Key(images[0].Entry) != "arm64" {
		t.Errorf("%+v", images[0].Entry)
	}
	if err := Verify(path, strings.Repeat("0", 64)); err == nil || len(hint.Of(err)) != 1 {
		t.Errorf("a file with another digest: %v", err)
	}
}

func TestChoose(t *testing.T) {
	m := &manifest.Manifest{Artifacts: []manifest.Artifact{{Format: "qcow2", Path: "q"}, {Format: "podman-machine", Path: "a"}, {Format: "podman-machine:applehv", Path: "b"}}}
	for format, want := range map[string]string{"": "a b", "qcow2": "q", "vmdk": "", "podman-machine": "a b", "podman-machine:applehv": "b"} {
		got, err := Choose(m, format)
		var paths []string
		for _, a := range got {
			paths = append(paths, a.Path)
		}
		if strings.Join(paths, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", format, paths, err)
		}
	}
	if _, err := Choose(&manifest.Manifest{}, ""); err == nil {
		t.Error("nothing was chosen without an error")
	}
}

func TestBadLayouts(t *testing.T) {
	good, err := os.ReadFile(archive(t, "disk.tar"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bad.tar")
	for name, change := range map[string]func([]byte) []byte{
		"changed": func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"schemaVersion":2`), []byte(`"schemaVersion":3`), 1)
		},
		"no blob":   func(b []byte) []byte { return bytes.Replace(b, []byte("blobs/sha256/"), []byte("blobs/sha257/"), 1) },
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
	} {
		if err := os.WriteFile(path, change(bytes.Clone(good)), 0o644); err != nil {
			t.Fatal(err)
		}
		if images, err := Layout(path); err == nil {
			t.Errorf("%s: read as %d images", name, len(images))
		}
	}
}

func FuzzLayout(f *testing.F) {
	for _, name := range []string{"disk.tar", "machine.tar"} {
		data, err := os.ReadFile(archive(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	var loop bytes.Buffer // an index with itself in it
	w := tar.NewWriter(&loop)
	for name, text := range map[string]string{"oci-layout": "{}", "index.json": `{"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:` + strings.Repeat("a", 64) + `"}]}`} {
		w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text))})
		io.WriteString(w, text)
	}
	w.Close()
	f.Add(loop.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := openLayoutArchive(bytes.NewReader(data))
		if err != nil {
			return
		}
		images, err := l.images()
		if err != nil {
			return
		}
		for _, i := range images {
			if i.Entry.Digest != i.Manifest.Digest() {
				t.Errorf("the manifest has another digest: %s", i.Manifest.Data)
			}
			registry.Key(i.Entry)
		}
	})
}
