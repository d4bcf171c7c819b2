package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/mirror/mirrortest"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files")

var then = time.Unix(1_700_000_000, 0)

// image makes an image's folder with its artifacts, whose content seed decides.
func image(t testing.TB, name, release, seed string) *manifest.Manifest {
	t.Helper()
	m := &manifest.Manifest{Folder: t.TempDir(), Image: manifest.Image{Name: name, Version: "43", Release: release, Arch: "x86_64"}}
	for format, file := range map[string]string{"qcow2": m.Image.ID() + ".qcow2", "raw.xz": m.Image.ID() + ".raw.xz", "raw": "disk.raw", "spdx": "sbom.spdx.json"} {
		data := []byte(strings.Repeat(seed+format, 500))
		if format == "raw.xz" {
			data = []byte(strings.Repeat(seed+"qcow2", 500)) // equal to the other
		}
		if err := os.WriteFile(m.Path(file), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(m.Path(file), then, then); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		m.Artifacts = append(m.Artifacts, manifest.Artifact{Path: file, Format: format, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(m.Artifacts, func(a, b manifest.Artifact) int { return strings.Compare(a.Path, b.Path) })
	m.Publications = []manifest.Publication{{Kind: "ami", Destination: "eu-central-1", Reference: "ami-1"}}
	return m
}

func job(t testing.TB, d Destination, images ...*manifest.Manifest) *Job {
	t.Helper()
	j := &Job{Destination: d, Release: &Release{URL: "https://dl.example.org/pub"}, Now: then.Add(time.Hour)}
	for _, m := range images {
		i, err := j.Release.Image(m, nil)
		if err != nil {
			t.Fatal(err)
		}
		j.Images = append(j.Images, i)
	}
	return j
}

// A kind is one of destination: where it is, and the folder that shows what is there.
type kind struct {
	dir  string
	open func(t testing.TB) Destination
}

func kinds4(t *testing.T, name string) kind {
	t.Helper()
	dir := t.TempDir()
	k := kind{dir: filepath.Join(dir, "pub")}
	var address string
	switch name {
	case "folder":
		address = k.dir
	case "rsync":
		address = "rsync://" + mirrortest.Rsync(t, dir) + "/pub/pub"
	case "ssh":
		t.Setenv("RSYNC_RSH", mirrortest.SSH(t))
		address = "127.0.0.1:" + k.dir
	case "s3":
		if err := os.MkdirAll(k.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_ENDPOINT_URL", "http://"+mirrortest.S3(t, dir))
		address = "s3://pub/deep/er"
	}
	k.open = func(t testing.TB) Destination { return open(t, address) }
	if name == "s3" {
		k.dir = filepath.Join(k.dir, "deep/er")
	}
	return k
}

func open(t testing.TB, address string) Destination {
	t.Helper()
	var d Destination
	var err error
	switch {
	case strings.HasPrefix(address, "s3:"):
		d, err = OpenS3(t.Context(), address)
	case strings.HasPrefix(address, "/"):
		d, err = OpenFolder(address)
	default:
		d, err = OpenRsync(address)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func run(t testing.TB, j *Job) Result {
	t.Helper()
	r, err := j.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Destination.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// snapshot is what is in a folder: digests by path, without what mirrors do not carry.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		sum := sha256.Sum256(text)
		rel, _ := filepath.Rel(dir, path)
		if !own(rel) {
			files[rel] = hex.EncodeToString(sum[:])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDestinations(t *testing.T) {
	for _, name := range []string{"folder", "rsync", "ssh", "s3"} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			one, two := image(t, "cloud", "1", "a"), image(t, "server", "1", "b")
			// A dry run writes nothing.
			steps, err := job(t, k.open(t), one).Plan(t.Context())
			if err != nil || len(steps) != 7 || steps[0].What != "send" || steps[6].Path != "fullfiletimelist" {
				t.Fatalf("%+v, %v", steps, err)
			}
			if _, err := os.Stat(k.dir); err == nil {
				t.Error("the dry run made the folder")
			}
			r := run(t, job(t, k.open(t), one))
			if r.Files != 7 || r.Sent+r.Linked != 7 {
				t.Errorf("first run: %+v", r)
			}
			golden(t, k.dir)
			linked(t, name, k.dir)
			if r := run(t, job(t, k.open(t), one)); r.Sent+r.Linked+len(r.Deleted) != 0 {
				t.Errorf("again: %+v", r)
			}
			// Another image is put beside it.
			run(t, job(t, k.open(t), two))
			if problems, files, err := job(t, k.open(t)).Check(t.Context()); err != nil || len(problems) != 0 || files != 11 {
				t.Errorf("%v, %d files, %v", problems, files, err)
			}
			// A newer one replaces it; what it had stays for the grace period.
			next := image(t, "cloud", "2", "c")
			j := job(t, k.open(t), next)
			j.Grace = time.Hour
			if r := run(t, j); len(r.Deleted) != 0 || r.Waiting != 3 {
				t.Errorf("newer: %+v", r)
			}
			if problems, _, err := job(t, k.open(t), one).Check(t.Context()); err != nil || len(problems) == 0 || !slices.ContainsFunc(problems, func(p Problem) bool { return p.What == "stale" }) {
				t.Errorf("the old one is not stale: %v, %v", problems, err)
			}
			j = job(t, k.open(t), next)
			j.Grace, j.Now = time.Hour, j.Now.Add(time.Hour)
			if r := run(t, j); len(r.Deleted) != 3 || r.Waiting != 0 || r.Sent != 0 {
				t.Errorf("an hour later: %+v", r)
			}
			fresh := filepath.Join(t.TempDir(), "x")
			run(t, job(t, open(t, fresh), two, next))
			if diff := cmp.Diff(snapshot(t, fresh), snapshot(t, k.dir)); diff != "" {
				t.Errorf("differs from what one run makes (-want +got):\n%s", diff)
			}
			damage(t, k, next)
		})
	}
}

// linked holds equal files against being one.
func linked(t *testing.T, name, dir string) {
	if name == "s3" {
		return
	}
	var nodes []uint64
	for _, file := range []string{"cloud-43-1.x86_64.qcow2", "cloud-43-1.x86_64.raw.xz"} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "releases/43/Cloud/x86_64/images", file), &st); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, st.Ino)
	}
	if nodes[0] != nodes[1] {
		t.Error("equal files are not links to one")
	}
}

// damage is found, named and repaired.
func damage(t *testing.T, k kind, m *manifest.Manifest) {
	t.Helper()
	before := snapshot(t, k.dir)
	at := filepath.Join(k.dir, "releases/43/Cloud/x86_64/images", m.Image.ID())
	text, err := os.ReadFile(at + ".sbom.spdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	unix.Stat(at+".sbom.spdx.json", &st)
	text[7] ^= 1
	if err := os.WriteFile(at+".sbom.spdx.json", text, 0o644); err != nil { // size and, below, time stay
		t.Fatal(err)
	}
	os.Chtimes(at+".sbom.spdx.json", then, then)
	os.Remove(at + ".qcow2")
	os.WriteFile(filepath.Join(k.dir, "streams/cloud-43.json"), []byte("{}"), 0o644)
	problems, _, err := job(t, k.open(t), m).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	base := "releases/43/Cloud/x86_64/images/" + m.Image.ID()
	want := []Problem{{base + ".qcow2", "missing"}, {base + ".sbom.spdx.json", "damaged"}, {"streams/cloud-43.json", "stale"}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	j := job(t, k.open(t), m)
	j.Checksum = true
	run(t, j)
	if diff := cmp.Diff(before, snapshot(t, k.dir)); diff != "" {
		t.Errorf("after the repair (-want +got):\n%s", diff)
	}
}

// A finished tree is mirrored, and with Delete what it does not have goes.
func TestTree(t *testing.T) {
	for _, name := range []string{"folder", "rsync", "ssh", "s3"} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			from := t.TempDir()
			for _, p := range []string{"a/one", "a/b/two", "with space/ü", "fullfiletimelist"} {
				os.MkdirAll(filepath.Join(from, filepath.Dir(p)), 0o755)
				if err := os.WriteFile(filepath.Join(from, p), []byte(p), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			tree := func() *Job {
				files, err := Folder(t.Context(), from)
				if err != nil {
					t.Fatal(err)
				}
				return &Job{Destination: k.open(t), IsTree: true, Tree: files, Now: then}
			}
			if r := run(t, tree()); r.Sent != 4 {
				t.Errorf("%+v", r)
			}
			if r := run(t, tree()); r.Sent != 0 {
				t.Errorf("again: %+v", r)
			}
			os.Remove(filepath.Join(from, "a/b/two"))
			if r := run(t, tree()); len(r.Deleted) != 0 {
				t.Errorf("without Delete: %+v", r)
			}
			j := tree()
			j.Delete = true
			if r := run(t, j); len(r.Deleted) != 1 {
				t.Errorf("%+v", r)
			}
			if diff := cmp.Diff(snapshot(t, from), snapshot(t, k.dir)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A large tree is compared as a whole, begun before its files are known.
func TestLargeTree(t *testing.T) {
	k := kinds4(t, "rsync")
	from := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		name = filepath.Join(from, name)
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range largeTree {
		put(fmt.Sprintf("%d/%d", i%7, i), fmt.Sprint(i))
	}
	put("streams/s.json", "1")
	os.Mkdir(filepath.Join(from, "empty"), 0o755)
	os.Symlink("0/0", filepath.Join(from, "link"))
	for _, tt := range []struct {
		what string
		do   func()
		sent int
	}{
		{"first", func() {}, largeTree + 1},
		{"again", func() {}, 0},
		{"one of another size", func() { put("3/3", "thirty-three") }, 1},
		{"a pointer of the same size", func() { put("streams/s.json", "2") }, 1},
		{"gone there", func() { os.RemoveAll(filepath.Join(k.dir, "0")) }, (largeTree + 6) / 7},
	} {
		tt.do()
		d := k.open(t)
		j := &Job{Destination: d, IsTree: true, Now: then}
		j.Ahead(t.Context(), from)
		var err error
		if j.Tree, err = Folder(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		if r := run(t, j); r.Sent != tt.sent {
			t.Errorf("%s: %+v, want %d sent", tt.what, r, tt.sent)
		}
		want := snapshot(t, from)
		delete(want, "link")
		if diff := cmp.Diff(want, snapshot(t, k.dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
	// What was begun ends with the destination, whoever did not ask.
	d := k.open(t)
	(&Job{Destination: d}).Ahead(t.Context(), from)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestMeter(t *testing.T) {
	m := new(meter)
	for _, part := range []string{">f+++++++++ releases/100% sure", "\n", "      1,000  10%", "\r     32768   1%    0.00kB/s    0:00:0", "0  \r    131072   5%    1.00MB/s    0:00:01\r",
		strings.Repeat("x", 1000) + "\r", "65536 2%\r"} {
		m.Write([]byte(part))
	}
	if m.seen != 131072 {
		t.Errorf("%d bytes", m.seen)
	}
}

// What ssh writes before rsync does neither hide rsync's own words nor that a file is not there.
func TestFailure(t *testing.T) {
	for _, tt := range []struct {
		code int
		text string
		want string
	}{
		{23, "Warning: Permanently added 'h'\r\nrsync: link_stat \"/x\" failed: No such file\nrsync error: some", `rsync ended with 23: rsync: link_stat "/x" failed: No such file`},
		{5, "@ERROR: Unknown module 'x'\nrsync error: y", "rsync ended with 5: @ERROR: Unknown module 'x'"},
		{255, "ssh: no such host\r\nrsync error: unexplained", "rsync ended with 255: ssh: no such host"},
		{1, "odd\n", "rsync ended with 1: odd"},
		{20, "", "rsync ended with 20"},
	} {
		if got := (&failure{tt.code, tt.text}).Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
