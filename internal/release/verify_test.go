package release

import (
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/manifest"
)

func TestVerify(t *testing.T) {
	cloud := manifest.Image{Name: "cloud", Version: "43", Release: "1", Arch: "x86_64"}
	record := &Record{Batch: "monthly", Images: []Recorded{{
		Image: cloud, Kickstart: "sha256:aa", Lock: "specs/cloud/lock.x86_64.json", Digest: "sha256:bb",
		Artifacts: []manifest.Artifact{{Path: "cloud.raw"}, {Path: "cloud.qcow2", SHA256: "cc"}},
	}}}
	for _, tt := range []struct {
		name   string
		change func(*manifest.Manifest)
		want   string // of the error; empty if there is none
	}{
		{"the same", func(m *manifest.Manifest) {}, ""},
		{"one format more", func(m *manifest.Manifest) {
			m.Artifacts = append(m.Artifacts, manifest.Artifact{Path: "cloud.vmdk", SHA256: "dd"})
		}, ""},
		{"another image", func(m *manifest.Manifest) { m.Image.Release = "2" }, `the release "monthly" does not have it`},
		{"not built", func(m *manifest.Manifest) { m.Build = nil }, "it has not been built"},
		{"another kickstart", func(m *manifest.Manifest) { m.Kickstart.Digest = "sha256:ee" }, "its kickstart is not the one that was tested"},
		{"no kickstart", func(m *manifest.Manifest) { m.Kickstart = nil }, "its kickstart is not the one that was tested"},
		{"another lock", func(m *manifest.Manifest) { m.Build.Lock = "sha256:ee" }, "it was built from the lock sha256:ee, and the one that was tested is sha256:bb"},
		{"other bytes", func(m *manifest.Manifest) { m.Artifacts[1].SHA256 = "ee" }, "cloud.qcow2 is sha256:ee, and the one that was tested is sha256:cc"},
		{"no bytes to compare", func(m *manifest.Manifest) { m.Artifacts = m.Artifacts[:1] }, "it has no file that was tested"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &manifest.Manifest{
				Image: cloud, Kickstart: &manifest.Kickstart{Digest: "sha256:aa"}, Build: &manifest.Build{Lock: "sha256:bb"},
				Artifacts: []manifest.Artifact{{Path: "cloud.raw"}, {Path: "cloud.qcow2", SHA256: "cc"}},
			}
			tt.change(m)
			err := record.Verify(m)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// A record is what a pull request may hold: nothing in it gets into a workflow but plain words.
func TestMatrix(t *testing.T) {
	image := manifest.Image{Name: "cloud", Version: "43", Release: "1", Arch: "x86_64"}
	for _, tt := range []struct {
		name string
		one  Recorded
		ok   bool
	}{
		{"plain", Recorded{Image: image, Spec: "specs/cloud", Lock: "specs/cloud/lock.x86_64.json"}, true},
		{"a command", Recorded{Image: manifest.Image{Name: "$(id)", Version: "43", Release: "1", Arch: "x86_64"}, Spec: "specs/cloud", Lock: "specs/cloud/lock.x86_64.json"}, false},
		{"a line", Recorded{Image: manifest.Image{Name: "cloud", Version: "43\nx=y", Release: "1", Arch: "x86_64"}, Spec: "specs/cloud", Lock: "specs/cloud/lock.x86_64.json"}, false},
		{"outside", Recorded{Image: image, Spec: "../cloud", Lock: "specs/cloud/lock.x86_64.json"}, false},
		{"a flag", Recorded{Image: image, Spec: "specs/cloud", Lock: "--key"}, false},
		{"no spec", Recorded{Image: image, Lock: "specs/cloud/lock.x86_64.json"}, false},
	} {
		m, err := (&Record{Images: []Recorded{tt.one}}).matrix()
		if (err == nil) != tt.ok || tt.ok && len(m.Include) != 1 {
			t.Errorf("%s: %+v, %v", tt.name, m, err)
		}
	}
}
