package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/faults"
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

// snapshot is what is in a folder: digests by path, without the state.
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
		if rel != StateFile {
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

// golden holds the pointers against files.
func golden(t *testing.T, dir string) {
	t.Helper()
	for _, p := range []string{"releases/43/Cloud/x86_64/images/Cloud-43-x86_64-CHECKSUM", "releases/43/metadata/images.json", "streams/cloud-43.json", "fullfiletimelist"} {
		got, err := os.ReadFile(filepath.Join(dir, p))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata/golden", filepath.Base(p))
		if *update {
			os.MkdirAll("testdata/golden", 0o755)
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p, diff)
		}
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

func newKey(t *testing.T, passphrase string) (string, *openpgp.Entity) {
	t.Helper()
	key, err := openpgp.NewEntity("Tester", "", "t@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	if passphrase != "" {
		if err := key.EncryptPrivateKeys([]byte(passphrase), nil); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.SerializePrivateWithoutSigning(w, nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return b.String(), key
}

func TestSigned(t *testing.T) {
	armored, public := newKey(t, "open s3same")
	if _, err := SigningKey(armored, "wrong"); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong passphrase: %v", err)
	}
	for text, want := range map[string]string{"nonsense": "it is no armored OpenPGP key"} {
		if _, err := SigningKey(text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "x")
	var texts [2][]byte
	m := image(t, "cloud", "1", "a")
	for i := range texts {
		key, err := SigningKey(armored, "open s3same")
		if err != nil {
			t.Fatal(err)
		}
		j := job(t, open(t, dir), m)
		j.Release.Key = key
		if r := run(t, j); i == 1 && r.Sent != 0 {
			t.Errorf("the same text was signed anew: %+v", r)
		}
		if texts[i], err = os.ReadFile(filepath.Join(dir, "releases/43/Cloud/x86_64/images/Cloud-43-x86_64-CHECKSUM")); err != nil {
			t.Fatal(err)
		}
	}
	block, rest := clearsign.Decode(texts[0])
	if block == nil || len(bytes.TrimSpace(rest)) != 0 {
		t.Fatalf("%s", texts[0])
	}
	if _, err := block.VerifySignature(openpgp.EntityList{public}, nil); err != nil {
		t.Error(err)
	}
	// sha256sum reads it as people do.
	cmd := exec.Command("sha256sum", "--check", "--ignore-missing", "Cloud-43-x86_64-CHECKSUM")
	cmd.Dir = filepath.Join(dir, "releases/43/Cloud/x86_64/images")
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Count(out, []byte(": OK")) != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}

// A file that is not what the manifest says goes nowhere.
func TestChangedArtifact(t *testing.T) {
	for _, name := range []string{"folder", "rsync", "s3"} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			m := image(t, "cloud", "1", "a")
			file := m.Path("cloud-43-1.x86_64.qcow2")
			text, _ := os.ReadFile(file)
			text[0]++
			os.WriteFile(file, text, 0o644)
			_, err := job(t, k.open(t), m).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "its SHA-256 is") {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(k.dir, "fullfiletimelist")); err == nil {
				t.Error("pointers were published")
			}
		})
	}
}

// A way that breaks leads to the same state.
func TestBadWays(t *testing.T) {
	want := filepath.Join(t.TempDir(), "want")
	m := image(t, "cloud", "1", "a")
	run(t, job(t, open(t, want), m))
	t.Run("rsync, reset", func(t *testing.T) {
		dir := t.TempDir()
		way, resets := faults.Reset(t, mirrortest.Rsync(t, dir), 40_000, 3)
		for i := 0; resets.Load() < 3 && i < 40; i++ {
			os.RemoveAll(filepath.Join(dir, "x"))
			if _, err := job(t, open(t, "rsync://"+way+"/pub/x"), m).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(snapshot(t, want), snapshot(t, filepath.Join(dir, "x"))); diff != "" || resets.Load() == 0 {
			t.Errorf("%d resets (-want +got):\n%s", resets.Load(), diff)
		}
	})
	for name, way := range map[string]func(host string) string{
		"s3, reset": func(host string) string { h, _ := faults.Reset(t, host, 20_000, 5); return h },
		"s3, storm": func(host string) string { h, _ := faults.Storm(t, host, 0.4, 5); return h },
		"s3, damaged": func(host string) string {
			var damaged atomic.Int64
			return faults.Handler(t, host, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut && damaged.Add(1)%3 == 1 {
					r.Body = faults.Corrupt(r.Body)
				}
				return false
			}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "bucket"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_ENDPOINT_URL", "http://"+way(mirrortest.S3(t, dir)))
			run(t, job(t, open(t, "s3://bucket"), m))
			if diff := cmp.Diff(snapshot(t, want), snapshot(t, filepath.Join(dir, "bucket"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("s3, always damaged", func(t *testing.T) {
		dir := t.TempDir()
		os.Mkdir(filepath.Join(dir, "bucket"), 0o755)
		t.Setenv("AWS_ENDPOINT_URL", "http://"+faults.Handler(t, mirrortest.S3(t, dir), func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				r.Body = faults.Corrupt(r.Body)
			}
			return false
		}, nil))
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		if _, err := job(t, open(t, "s3://bucket"), m).Run(ctx); err == nil || len(snapshot(t, filepath.Join(dir, "bucket"))) != 0 {
			t.Errorf("%v, %v", err, snapshot(t, filepath.Join(dir, "bucket")))
		}
	})
	t.Run("s3, read damaged", func(t *testing.T) {
		dir := t.TempDir()
		os.Mkdir(filepath.Join(dir, "bucket"), 0o755)
		host := mirrortest.S3(t, dir)
		t.Setenv("AWS_ENDPOINT_URL", "http://"+host)
		run(t, job(t, open(t, "s3://bucket"), m))
		t.Setenv("AWS_ENDPOINT_URL", "http://"+faults.Handler(t, host, nil, func(r *http.Response) error {
			if r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, ".qcow2") {
				r.Body = faults.Corrupt(r.Body)
			}
			return nil
		}))
		problems, _, err := job(t, open(t, "s3://bucket"), m).Check(t.Context())
		if err == nil && (len(problems) != 1 || !strings.HasSuffix(problems[0].Path, ".qcow2")) {
			t.Errorf("%v", problems)
		}
	})
}

// A full destination is an error, and with room the next run goes on.
func TestFull(t *testing.T) {
	for _, name := range []string{"folder", "rsync"} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			if err := os.Mkdir(k.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("tmpfs", k.dir, "tmpfs", 0, "size=64k"); err != nil {
				t.Skipf("SKIP: no tmpfs can be mounted here: %v", err)
			}
			t.Cleanup(func() { unix.Unmount(k.dir, unix.MNT_DETACH) })
			m := image(t, "cloud", "1", strings.Repeat("large", 10))
			d := k.open(t)
			_, err := job(t, d, m).Run(t.Context())
			d.Close()
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), "no space") && !strings.Contains(err.Error(), "rsync ended with") {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(k.dir, "fullfiletimelist")); err == nil {
				t.Error("pointers were published")
			}
			if err := unix.Mount("tmpfs", k.dir, "tmpfs", unix.MS_REMOUNT, "size=1m"); err != nil {
				t.Fatal(err)
			}
			run(t, job(t, k.open(t), m))
			if problems, _, err := job(t, k.open(t), m).Check(t.Context()); err != nil || len(problems) != 0 {
				t.Error(problems, err)
			}
		})
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if err := first.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Lock(); err == nil {
		t.Error("two runs at the same time")
	}
	first.Close()
	second := open(t, dir)
	if err := second.Lock(); err != nil {
		t.Error(err)
	}
}

// Our files are built as Fedora's: the bodies of its CHECKSUM file and the members of its images.json.
func TestFedora(t *testing.T) {
	corpus := os.Getenv("RESPIN_CORPUS")
	if corpus == "" {
		t.Skip("SKIP: RESPIN_CORPUS is not set")
	}
	text, err := os.ReadFile(filepath.Join(corpus, "metadata/Fedora-Cloud-44-1.7-aarch64-CHECKSUM"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := clearsign.Decode(text)
	s := &State{Images: []Image{{Image: manifest.Image{Name: "Fedora-Cloud-Base", Version: "44", Release: "1.7", Arch: "aarch64"}}}}
	for _, m := range regexp.MustCompile(`# (\S+): (\d+) bytes\nSHA256 \(\S+\) = ([0-9a-f]+)`).FindAllStringSubmatch(string(block.Plaintext), -1) {
		var size int64
		fmt.Sscan(m[2], &size)
		s.Images[0].Files = append(s.Images[0].Files, Published{Path: "x/" + m[1], Format: "qcow2", Size: size, SHA256: m[3]})
	}
	ours, err := new(Release).checksumFiles(s)
	if err != nil || len(s.Images[0].Files) == 0 {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(block.Plaintext)), strings.TrimSpace(string(ours[0].Data))); diff != "" {
		t.Errorf("CHECKSUM (-Fedora +ours):\n%s", diff)
	}
	var theirs, mine struct {
		Payload struct {
			Compose map[string]any
			Images  map[string]map[string][]map[string]any
		}
	}
	text, err = os.ReadFile(filepath.Join(corpus, "metadata/28_Fedora-28-20180425.0_compose_metadata_images.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &theirs); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(imagesFiles(s)[0].Data, &mine); err != nil {
		t.Fatal(err)
	}
	kindOf := func(m map[string]any) map[string]string {
		kinds := map[string]string{}
		for name, value := range m {
			kinds[name] = fmt.Sprintf("%T", value)
		}
		return kinds
	}
	if diff := cmp.Diff(kindOf(theirs.Payload.Images["AtomicHost"]["aarch64"][0]), kindOf(mine.Payload.Images["Cloud"]["aarch64"][0])); diff != "" {
		t.Errorf("images.json (-Fedora +ours):\n%s", diff)
	}
	if diff := cmp.Diff(kindOf(theirs.Payload.Compose), kindOf(mine.Payload.Compose)); diff != "" {
		t.Errorf("compose (-Fedora +ours):\n%s", diff)
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"images":[{"image":{"name":"a","version":"1","release":"1","arch":"x"},"files":[{"path":"a/b","size":1,"sha256":"x","mtime":1}]}],"removals":[{"path":"c","since":5}]}`))
	f.Add([]byte(`{"version":1,"images":[{"files":[{"path":"../b"}]}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseState(text)
		if err != nil {
			return
		}
		for _, p := range s.due(time.Unix(1<<40, 0), 0) {
			if !local(p) {
				t.Errorf("%q would be deleted", p)
			}
		}
		s.publish(nil, then)
		files, err := new(Release).Files(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !file.Kept && !local(file.Path) {
				t.Errorf("%q would be written", file.Path)
			}
		}
	})
}

// Large objects go in parts.
func TestParts(t *testing.T) {
	k := kinds4(t, "s3")
	from := t.TempDir()
	f, err := os.Create(filepath.Join(from, "large"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("somewhere"), onePart+5)
	f.Truncate(2*onePart + 1)
	f.Close()
	for i := range 2 {
		files, err := Folder(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, &Job{Destination: k.open(t), IsTree: true, Tree: files, Now: then})
		if r.Sent != 1-i {
			t.Errorf("run %d: %+v", i, r)
		}
	}
	if diff := cmp.Diff(snapshot(t, from), snapshot(t, k.dir)); diff != "" {
		t.Error(diff)
	}
}
