package mirror

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/manifest"
)

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

// Who has no key checks what is signed, and does not take the signature away.
func TestKeyless(t *testing.T) {
	armored, _ := newKey(t, "")
	key, err := SigningKey(armored, "")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "x")
	j := job(t, open(t, dir), image(t, "cloud", "1", "a"))
	j.Release.Key = key
	run(t, j)
	if !j.State().AllSigned() {
		t.Error("with a key a CHECKSUM file is not signed")
	}
	sums := filepath.Join(dir, "releases/43/Cloud/x86_64/images/Cloud-43-x86_64-CHECKSUM")
	signed, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}

	keyless := func(what string, want []Problem) {
		t.Helper()
		j := &Job{Destination: open(t, dir), Release: &Release{}, Now: then}
		got, _, err := j.Check(t.Context())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	refused := func(what string, m *manifest.Manifest) {
		t.Helper()
		j := job(t, open(t, dir), m)
		defer j.Destination.Close()
		const want = "Cloud-43-x86_64-CHECKSUM is signed, and there is no key to sign"
		if _, err := j.Plan(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("planning %s without a key: %v", what, err)
		}
		if _, err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("publishing %s without a key: %v", what, err)
		}
	}
	keyless("whole", nil)
	if r := run(t, job(t, open(t, dir), image(t, "cloud", "1", "a"))); r.Sent != 0 {
		t.Errorf("the same image without a key: %+v", r)
	}
	os.WriteFile(sums, bytes.ToLower(signed), 0o644)
	keyless("changed", []Problem{{Path: "releases/43/Cloud/x86_64/images/Cloud-43-x86_64-CHECKSUM", What: "stale"}})
	refused("one that is not what was signed", image(t, "cloud", "1", "a"))
	os.WriteFile(sums, signed, 0o644)

	refused("another image", image(t, "cloud", "2", "b"))
	if got, err := os.ReadFile(sums); err != nil || !bytes.Equal(got, signed) {
		t.Errorf("a refused run changed the CHECKSUM file: %v", err)
	}
	j = job(t, open(t, dir), image(t, "cloud", "2", "b"))
	j.Release.Unsigned = true
	run(t, j)
	if got, err := os.ReadFile(sums); err != nil || !bytes.HasPrefix(got, []byte("# ")) {
		t.Errorf("%v, %.40q", err, got)
	}
	if j.State().AllSigned() {
		t.Error("without a key a CHECKSUM file is signed")
	}
	keyless("unsigned", nil)

	// One version has a signature, and the next has none.
	j = job(t, open(t, dir), image(t, "cloud", "2", "b"))
	j.Release.Key = key
	run(t, j)
	next := image(t, "cloud", "1", "c")
	next.Image.Version = "44"
	j = job(t, open(t, dir), next)
	run(t, j)
	if len(j.State().Signed) != 1 || j.State().AllSigned() {
		t.Errorf("a version without a signature beside one with: %+v", j.State().Signed)
	}
}

// The stream's file tells container disks and containers from each other.
func TestElsewhere(t *testing.T) {
	i := Image{
		Files: []Published{{Format: "containerdisk", SHA256: "aa"}, {Format: "spdx", SHA256: "bb"}},
		Publications: []manifest.Publication{
			{Kind: "oci", Destination: "r/disk", Reference: "r/disk:43", SHA256: "aa", Digest: "sha256:1"},
			{Kind: "oci", Destination: "r/root", Reference: "r/root:43", SHA256: "cc", Digest: "sha256:2"},
			{Kind: "ami", Destination: "us-east-1", Reference: "ami-1", SHA256: "dd"},
		},
	}
	want := object{
		"kubevirt":  object{"release": "43-1", "image": "r/disk:43", "digest-ref": "r/disk@sha256:1"},
		"container": object{"release": "43-1", "image": "r/root:43", "digest-ref": "r/root@sha256:2"},
		"aws":       object{"regions": object{"us-east-1": object{"release": "43-1", "image": "ami-1"}}},
	}
	if diff := cmp.Diff(want, elsewhere(i, "43-1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
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
