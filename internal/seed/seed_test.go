package seed

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var example = Seed{Instance: "smoke-1", Host: "smoke-host", Key: "ssh-ed25519 AAAA smoke"}

const (
	exampleMeta = "instance-id: smoke-1\nlocal-hostname: smoke-host\n"
	exampleUser = "#cloud-config\nssh_authorized_keys:\n  - ssh-ed25519 AAAA smoke\n"
)

func TestSameSeedSameBytes(t *testing.T) {
	if !bytes.Equal(example.Image(), example.Image()) {
		t.Error("two images of one seed differ")
	}
}

// The readers of other projects find both files under their names, in both trees.
func TestReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed.iso")
	if err := os.WriteFile(path, example.Image(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		command []string
		want    string
	}{
		{"isoinfo ECMA-119", []string{"isoinfo", "-i", path, "-x", "/USER-DATA.;1"}, exampleUser},
		{"isoinfo Joliet", []string{"isoinfo", "-J", "-i", path, "-x", "/meta-data"}, exampleMeta},
		{"bsdtar", []string{"bsdtar", "-xOf", path}, exampleMeta + exampleUser},
		{"blkid", []string{"blkid", "-p", "-o", "value", "-s", "LABEL", path}, "CIDATA\n"},
		{"blkid", []string{"blkid", "-p", "-o", "value", "-s", "TYPE", path}, "iso9660\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath(tt.command[0]); err != nil {
				t.Skipf("SKIP: %v", err)
			}
			got, err := exec.Command(tt.command[0], tt.command[1:]...).Output()
			if err != nil {
				t.Fatalf("%s: %v", strings.Join(tt.command, " "), err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The kernel shows the names that cloud-init looks for, with Joliet and without.
func TestKernel(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "seed.iso"), t.TempDir()
	if err := os.WriteFile(path, example.Image(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{"loop,ro", "loop,ro,nojoliet"} {
		if out, err := exec.Command("mount", "-t", "iso9660", "-o", options, path, dir).CombinedOutput(); err != nil {
			t.Skipf("SKIP: cannot mount here: %v: %s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(dir, "user-data"))
		if err := exec.Command("umount", dir).Run(); err != nil {
			t.Fatal(err)
		}
		if err != nil || string(got) != exampleUser {
			t.Errorf("%s: user-data is %q, %v", options, got, err)
		}
	}
}
