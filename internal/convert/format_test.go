package convert

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/manifest"
)

// Random disks, whose sizes are multiples of nothing, are the same in every
// format: for our readers, and for the tools of others where they are installed.
func FuzzFormats(f *testing.F) {
	f.Add(uint64(0), uint32(600_246), true)
	f.Add(uint64(1), uint32(5_228_391), false)
	f.Add(uint64(2), uint32(307_522), true)
	f.Fuzz(func(t *testing.T, seed uint64, size uint32, sparse bool) {
		path := writeSparse(t, blocktest.Disk(seed, 1+int(size%(6<<20))), sparse)
		dir, made, err := convertFile(t, path, everything(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range made {
			file := filepath.Join(dir, a.Path)
			if st, err := os.Stat(file); err != nil || st.Size() != a.Size || fileDigest(t, file) != a.SHA256 {
				t.Errorf("%s: the artifact says %+v, the file has %v and the digest %s", a.Format, a, st, fileDigest(t, file))
			}
			if want := fileDigest(t, path); a.UncompressedSHA256 != want {
				t.Errorf("%s: uncompressed digest %s, want %s", a.Format, a.UncompressedSHA256, want)
			}
			if len(checks[a.Format]) == 0 {
				t.Errorf("%s is checked by nobody", a.Format)
			}
			for _, check := range checks[a.Format] {
				check(t, path, file, a)
			}
		}
	})
}

// A check holds a file against the raw disk it was made of.
type check func(t *testing.T, raw, file string, a manifest.Artifact)

var qcow2Checks = []check{reads, tool("qemu-img check -q FILE"), tool("qemu-img compare -q FILE RAW")}

// checks are by our own reader where there is one, and by the tools that people have for a format.
var checks = map[string][]check{
	"qcow2":            qcow2Checks,
	"qcow2:zstd":       qcow2Checks,
	"qcow2:cluster=2M": qcow2Checks,
	"raw":              {reads, tool("cmp FILE RAW")},
	"raw.xz":           {reads, tool("xz -t FILE"), tool("xz -dc FILE | cmp - RAW")},
	"raw.zst":          {reads, tool("zstd -q -t FILE"), tool("zstd -q -dc FILE | cmp - RAW")},
	"raw.gz":           {reads, tool("gzip -t FILE"), tool("gzip -dc FILE | cmp - RAW")},
	"vmdk":             {reads, tool("qemu-img check -q -f vmdk FILE"), tool("qemu-img compare -q -f vmdk -F raw FILE RAW")},
	"vhd":              {reads, tool("qemu-img compare -q -f vpc -F raw FILE RAW")},
	"vhd:dynamic":      {reads, tool("qemu-img compare -q -f vpc -F raw FILE RAW")},
	"gce":              {tool("tar -xSzf FILE --one-top-level=DIR/gce && cmp -n $(stat -c %s RAW) DIR/gce/disk.raw RAW && test $(stat -c %s DIR/gce/disk.raw) = $((1<<30))")},
	"ova": {
		tool("tar -xf FILE -C DIR && cd DIR && sed 's/SHA256(\\(.*\\))= \\(.*\\)/\\2  \\1/' disk.mf | sha256sum --quiet -c"),
		tool("qemu-img compare -q -f vmdk -F raw DIR/disk-disk1.vmdk RAW"),
	},
	"box:libvirt": {
		tool("tar -xf FILE -C DIR"),
		tool("qemu-img check -q DIR/box.img"),
		tool("qemu-img compare -q DIR/box.img RAW"),
	},
	"box:virtualbox":         {tool("tar -xf FILE -C DIR"), tool("qemu-img compare -q -f vmdk -F raw DIR/box-disk001.vmdk RAW")},
	"containerdisk":          {tool("skopeo inspect --raw oci-archive:FILE")},
	"podman-machine":         {tool("skopeo inspect --raw oci-archive:FILE")},
	"podman-machine:applehv": {tool("skopeo inspect --raw oci-archive:FILE")},
}

// tool is a check by a shell's command that begins with another program and has to succeed.
func tool(command string) check {
	return func(t *testing.T, raw, file string, _ manifest.Artifact) {
		t.Helper()
		name, _, _ := strings.Cut(command, " ")
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("SKIP: %s is not installed", name)
			return
		}
		script := strings.NewReplacer("FILE", file, "RAW", raw, "DIR", filepath.Dir(file)).Replace(command)
		if out, err := exec.Command("bash", "-ec", "set -o pipefail; "+script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

// reads is a check by our own reader.
func reads(t *testing.T, rawDisk, file string, a manifest.Artifact) {
	t.Helper()
	formats, _ := ParseFormats("raw")
	dir, made, err := convertFile(t, file, formats)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, made[0].Path))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(rawDisk)
	if err != nil {
		t.Fatal(err)
	}
	if want = append(want, make([]byte, int(a.VirtualSize)-len(want))...); !bytes.Equal(got, want) {
		t.Errorf("%s comes back as %d other bytes", a.Format, len(got))
	}
}
