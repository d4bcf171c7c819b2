package pipe

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/fixture"
)

// fedoraSpec is a spec around a kickstart of Fedora's own. Its tests look at
// what the kickstart asks for.
const fedoraSpec = `name: NAME
summary: Fedora's cloud image from its own kickstart
kickstart: fedora-cloud-base.ks
use-cases: [tests]
arches: [x86_64]
releases:
  - version: "43"
    syntax: F43
formats: [qcow2]
smoke:
  user: fedora
  firmware: [FIRMWARE]
  # Debian's kernel turns SELinux on only if its command line says so.
  skip: [selinux]
  tests:
    - name: root and home are Btrfs subvolumes
      command: findmnt --noheadings --list --output TARGET,FSTYPE,OPTIONS --types btrfs
      stdout: (?s)^/ +btrfs .*subvol=/root.*/home +btrfs .*subvol=/home
    - name: root cannot log in with a password
      command: sudo passwd --status root
      stdout: ^root L
`

// Fedora's own kickstarts, unmodified, become images that boot.
func TestFedora(t *testing.T) {
	corpus := os.Getenv("RESPIN_CORPUS")
	if corpus == "" {
		t.Skip("SKIP: RESPIN_CORPUS is unset")
	}
	modern := fixture.Find(t, "modern")
	same := map[string]string{} // what a kickstart comes to, to the branch that was tried with it
	for _, branch := range []string{"f43", "main", "f42", "f41"} {
		t.Run(branch, func(t *testing.T) {
			name, firmware := "fedora-"+branch, "uefi"
			if branch == "main" {
				firmware = "bios"
			}
			folder := filepath.Join(t.TempDir(), name)
			if err := os.CopyFS(folder, os.DirFS(filepath.Join(corpus, "kickstarts", name))); err != nil {
				t.Fatal(err)
			}
			spec := strings.NewReplacer("NAME", name, "FIRMWARE", firmware).Replace(fedoraSpec)
			if err := os.WriteFile(filepath.Join(folder, "image.yaml"), []byte(spec), 0o644); err != nil {
				t.Fatal(err)
			}
			flat, err := exec.Command(filepath.Join(bin, "ks-render"), "--format", "ks", folder).Output()
			if err != nil {
				t.Fatal(err)
			}
			if as := same[string(flat)]; as != "" {
				t.Logf("the same as that of %s", as)
				return
			}
			same[string(flat)] = branch
			if branch != "f43" || os.Geteuid() == 0 { // scripts/test has an ordinary user build it, too
				slow(t)
			}
			pipe(t, modern, []string{folder}).passed(t, name)
		})
	}
}

// specFolder makes a spec of an image.yaml and a kickstart.
func specFolder(t *testing.T, name, spec, ks string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"image.yaml": spec, name + ".ks": ks} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// The image of the demonstration and its sister of RHEL 10's kind, both
// firmwares, with all their spec's tests; SELinux labels among them. CI runs the
// demonstration itself.
func TestCloudBase(t *testing.T) {
	slow(t)
	for profile, release := range map[string]string{"modern": "43", "classic": "10"} {
		t.Run(profile, func(t *testing.T) {
			d := fixture.Find(t, profile)
			pipe(t, d, []string{"--release", release, "../fixture/specs/cloud-base"}, "--firmware", "bios,uefi").passed(t, "cloud-base")
		})
	}
}

// One image of three does not boot: the others come out all the same.
func TestOneOfThree(t *testing.T) {
	spec, err := os.ReadFile("../fixture/specs/tiny/image.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ks, err := os.ReadFile("../fixture/specs/tiny/tiny.ks")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for name, more := range map[string]string{"first": "", "second": "%post\nrm -f /sbin/init /usr/sbin/init /usr/bin/init\n%end\n", "third": ""} {
		folders = append(folders, specFolder(t, name, strings.Replace(string(spec), "name: tiny", "name: "+name, 1), string(ks)+more))
	}
	r := pipe(t, fixture.Find(t, "tiny"), append(folders, "--arch", "x86_64"), "--jobs", "2", "--firmware", "bios")
	if r.exit != 3 {
		t.Errorf("the pipe ended with %d", r.exit)
	}
	if len(r.manifests) == 2 && r.manifests[0].Image.Name == "third" {
		r.manifests[0], r.manifests[1] = r.manifests[1], r.manifests[0]
	}
	r.passed(t, "first", "third")
	const broken = "second-43-0.x86_64"
	if !strings.Contains(r.messages, broken+": bios: ") {
		t.Errorf("nobody says why %s fails:\n%s", broken, r.messages)
	}
	if tests := string(r.saved(t, broken)["tests"]); !strings.Contains(tests, `"no-init"`) {
		t.Errorf("the cause is not in the manifest: %s", tests)
	}
	for _, file := range []string{"console.log", "screen.png", "result.json", "qemu.sh"} {
		if _, err := os.Stat(filepath.Join(r.output, broken, "logs/smoke-bios", file)); err != nil {
			t.Error(err)
		}
	}
	t.Log(r.messages)
}
