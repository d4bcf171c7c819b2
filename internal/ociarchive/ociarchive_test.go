package ociarchive_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/containerdisk"
	"github.com/respin-project/respin/internal/ociarchive"
	"github.com/respin-project/respin/internal/podmanmachine"
)

// An archive is one that was made, by the names of its members.
type archive map[string][]byte

func finish(t *testing.T, head int64, disk []byte, fn func(ociarchive.File, int64) error) (archive, []byte) {
	t.Helper()
	f := &blocktest.File{Data: append(make([]byte, head), disk...)}
	if err := fn(f, int64(len(disk))); err != nil {
		t.Fatal(err)
	}
	files := archive{}
	for r := tar.NewReader(bytes.NewReader(f.Data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(files["oci-layout"]); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %q", got)
	}
	return files, f.Data
}

// blob returns what a descriptor points at, verified.
func (a archive) blob(t *testing.T, d ociarchive.Descriptor, v any) []byte {
	t.Helper()
	data, ok := a["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
	sum := sha256.Sum256(data)
	if !ok || d.Digest != "sha256:"+hex.EncodeToString(sum[:]) || d.Size != int64(len(data)) {
		t.Fatalf("%+v points at %d bytes with the digest %x", d, len(data), sum)
	}
	if v != nil {
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func (a archive) root(t *testing.T) ociarchive.Descriptor {
	t.Helper()
	var index ociarchive.List
	if err := json.Unmarshal(a["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("index.json: %v\n%s", err, a["index.json"])
	}
	return index.Manifests[0]
}

func TestContainerDisk(t *testing.T) {
	disk := blocktest.Disk(1, 100_001)
	c := containerdisk.New("x86_64")
	a, raw := finish(t, c.Head(), disk, c.Finish)
	var image ociarchive.Image
	root := a.root(t)
	a.blob(t, root, &image)
	if diff := cmp.Diff(&ociarchive.Platform{Architecture: "amd64", OS: "linux"}, root.Platform); diff != "" {
		t.Errorf("platform (-want +got):\n%s", diff)
	}
	var config struct {
		Architecture string
		RootFS       struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	a.blob(t, image.Config, &config)
	layer := a.blob(t, image.Layers[0], nil)
	if config.Architecture != "amd64" || len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != image.Layers[0].Digest {
		t.Errorf("config %+v", config)
	}
	type entry struct {
		Name     string
		Mode     int64
		Uid, Gid int
	}
	var got []entry
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{h.Name, h.Mode, h.Uid, h.Gid})
		if h.Name == "disk/disk.img" {
			if data, err := io.ReadAll(r); err != nil || !bytes.Equal(data, disk) {
				t.Errorf("the disk differs, %v", err)
			}
		}
	}
	if diff := cmp.Diff([]entry{{"disk/", 0o555, 107, 107}, {"disk/disk.img", 0o444, 107, 107}}, got); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
	copyWithSkopeo(t, raw)
}

func TestPodmanMachine(t *testing.T) {
	disk := blocktest.Disk(1, 100_001)
	for diskType, m := range map[string]*podmanmachine.Archive{
		"qemu":    podmanmachine.Qemu("fedora", "x86_64"),
		"applehv": podmanmachine.AppleHV("fedora", "x86_64"),
	} {
		a, raw := finish(t, m.Head(), disk, m.Finish)
		root := a.root(t)
		if root.MediaType != ociarchive.Index {
			t.Errorf("the root is a %s", root.MediaType)
		}
		var list ociarchive.List
		a.blob(t, root, &list)
		entry := list.Manifests[0]
		if entry.Annotations["disktype"] != diskType || *entry.Platform != (ociarchive.Platform{Architecture: "x86_64", OS: "linux"}) {
			t.Errorf("entry %+v", entry)
		}
		var image ociarchive.Image
		a.blob(t, entry, &image)
		a.blob(t, image.Config, nil)
		if len(image.Layers) != 1 || !bytes.Equal(a.blob(t, image.Layers[0], nil), disk) {
			t.Errorf("layers %+v", image.Layers)
		}
		want := map[string]string{"qemu": "fedora.qcow2", "applehv": "fedora.raw.zst"}[diskType]
		if got := image.Layers[0].Annotations["org.opencontainers.image.title"]; got != want {
			t.Errorf("title %q, want %q", got, want)
		}
		copyWithSkopeo(t, raw)
	}
}

// copyWithSkopeo has skopeo take the archive apart and verify it.
func copyWithSkopeo(t *testing.T, raw []byte) {
	t.Helper()
	tool, err := exec.LookPath("skopeo")
	if err != nil {
		t.Log("SKIP: skopeo is not installed")
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a.tar")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "copy", "--quiet", "--insecure-policy", "--all", "oci-archive:"+path, "oci:"+filepath.Join(dir, "layout:x")).CombinedOutput()
	if err != nil {
		t.Errorf("skopeo copy: %v\n%s", err, out)
	}
}
