package manifest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const unknownEverywhere = `{"x-first":[1, 2.50, "\u003c"],"schema":"respin/v1","folder":"out/a","image":{"arch":"x86_64","name":"a","version":"43","release":"1","colour":"blue"},` +
	`"artifacts":[{"path":"disk.raw","format":"raw","size":5,"sha256":"` + zeros + `","note":{"b":1,"a":2}}],"x-last":null}`

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func read(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := NewReader(strings.NewReader(text), "test").Read()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUntouchedGoesOutAsItCameIn(t *testing.T) {
	m := read(t, unknownEverywhere)
	got, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(compact(t, unknownEverywhere), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestOwnSectionChangesAndTheRestStays(t *testing.T) {
	m := read(t, unknownEverywhere)
	m.SetArtifact(Artifact{Path: "disk.qcow2", Format: "qcow2", Size: 3, SHA256: zeros})
	m.Build = &Build{Engine: "direct"}
	got, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := compact(t, unknownEverywhere)
	want = strings.Replace(want, `{"b":1,"a":2}}]`, `{"b":1,"a":2}},{"path":"disk.qcow2","format":"qcow2","size":3,"sha256":"`+zeros+`"}]`, 1)
	want = strings.TrimSuffix(want, "}") + `,"build":{"engine":"direct","source_date":0,"repositories":null,"packages":null}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestReplacingAnArtifact(t *testing.T) {
	m := read(t, unknownEverywhere)
	m.SetArtifact(Artifact{Path: "disk.raw", Format: "raw", Size: 6, SHA256: zeros})
	if len(m.Artifacts) != 1 || m.Artifact("raw").Size != 6 {
		t.Errorf("artifacts are %+v", m.Artifacts)
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                     "is not a JSON object",
		`{"image":{}}`:           `schema is "", this version reads "respin/v1"`,
		`{"schema":"v2"}`:        `schema is "v2"`,
		`{"schema":"respin/v1"}`: "image.name is missing",
		`{"schema":"respin/v1","schema":"respin/v1"}`:                                                                                  `"schema" stands there twice`,
		`{"schema":"respin/v1","image":{"name":"../a","version":"1","release":"1","arch":"x"}}`:                                        "image.name",
		`{"schema":"respin/v1","image":{"name":"a","version":1}}`:                                                                      "image:",
		`{"schema":"respin/v1","image":{"name":"a","version":"1","release":"1","arch":"x"},"artifacts":[{"path":"../../etc/passwd"}]}`: "artifacts[0].path",
		`{"schema":"respin/v1","image":{"name":"a","version":"1","release":"1","arch":"x"},"tests":[{"bundle":"/etc"}]}`:               "tests[0].bundle",
		`{"schema":"resp`: "unexpected EOF",
	} {
		_, err := NewReader(strings.NewReader(text), "standard input").Read()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "manifest 1 of standard input") {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}

func TestDocumentTooLong(t *testing.T) {
	r := NewReader(io.MultiReader(strings.NewReader(`{"x":"`), endless{}), "standard input")
	if _, err := r.Read(); err == nil || !strings.Contains(err.Error(), "is longer than") {
		t.Errorf("error is %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestEach(t *testing.T) {
	doc := func(name string) string {
		return `{"schema":"respin/v1","image":{"name":"` + name + `","version":"1","release":"1","arch":"x"}}` + "\n"
	}
	var out strings.Builder
	err := Each(context.Background(), NewReader(strings.NewReader(doc("a")+doc("b")+doc("c")), "in"), &out,
		func(_ context.Context, m *Manifest) error {
			if m.Image.Name == "b" {
				return errors.Join(errors.New("one"), errors.New("two"))
			}
			return nil
		})
	if want := doc("a") + doc("c"); out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
	if want := "b-1-1.x: one\nb-1-1.x: two"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %q", err, want)
	}
}

// Manifests overtake each other; what is said about them does not.
func TestConcurrently(t *testing.T) {
	doc := func(name string) string {
		return `{"schema":"respin/v1","image":{"name":"` + name + `","version":"1","release":"1","arch":"x"}}` + "\n"
	}
	last := make(chan struct{})
	var out strings.Builder
	err := Concurrently(context.Background(), 3, NewReader(strings.NewReader(doc("a")+doc("b")+doc("c")), "in"), &out,
		func(_ context.Context, m *Manifest) error {
			if m.Image.Name == "c" {
				close(last)
				return errors.New("failed")
			}
			<-last
			if m.Image.Name == "a" {
				return errors.New("failed")
			}
			return nil
		})
	if want := doc("b"); out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
	if want := "a-1-1.x: failed\nc-1-1.x: failed"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %q", err, want)
	}
}

func TestSaveAndOpen(t *testing.T) {
	m := read(t, unknownEverywhere)
	m.Folder = t.TempDir()
	if err := m.Save(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(m.Folder, FileName))
	if err != nil || strings.Contains(string(text), "folder") {
		t.Errorf("file holds %q, %v", text, err)
	}
	for _, path := range []string{m.Folder, filepath.Join(m.Folder, FileName)} {
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Folder != m.Folder || got.Path("disk.raw") != filepath.Join(m.Folder, "disk.raw") {
			t.Errorf("folder is %q, want %q", got.Folder, m.Folder)
		}
	}
}

// What is read from a redirected manifest.json has its files beside that.
func TestRedirected(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "out", "x")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &Manifest{Folder: folder, Image: Image{Name: "x", Version: "1", Release: "1", Arch: "x86_64"}}
	if err := m.Save(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(folder, FileName), filepath.Join(folder, "other.json")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ cwd, file, want string }{
		{filepath.Dir(filepath.Dir(folder)), FileName, filepath.Join("out", "x")},
		{folder, FileName, ""},
		{t.TempDir(), FileName, folder},
		{t.TempDir(), "other.json", ""},
	} {
		if err := m.Save(); err != nil {
			t.Fatal(err)
		}
		t.Chdir(tt.cwd)
		f, err := os.Open(filepath.Join(folder, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := NewReader(f, "standard input").Read()
		if err != nil || got.Folder != tt.want {
			t.Errorf("%s in %s: folder %q, %v, want %q", tt.file, tt.cwd, got.Folder, err, tt.want)
		}
	}
}

func TestLocate(t *testing.T) {
	k := Kickstart{Origins: []Origin{{1, "a.ks", 1}, {4, "b.ks", 10}, {6, "a.ks", 5}}}
	for line, want := range map[int]int{1: 1, 3: 3, 4: 10, 5: 11, 6: 5, 9: 8} {
		file, got := k.Locate(line)
		if got != want || file == "" {
			t.Errorf("line %d comes from %s:%d, want line %d", line, file, got, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(unknownEverywhere))
	f.Add([]byte(`{"schema":"respin/v1","image":{"name":"a","version":"1","release":"1","arch":"x"},"tests":[{}],"spec":{"publish":{"a":[1]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data), "fuzz")
		for {
			m, err := r.Read()
			if err != nil {
				return
			}
			text, err := m.MarshalJSON()
			if err != nil {
				t.Fatalf("read but not written: %v", err)
			}
			again := new(Manifest)
			if err := again.UnmarshalJSON(text); err != nil {
				t.Fatalf("written but not read: %v\n%s", err, text)
			}
			if !Equal(m, again) {
				t.Fatalf("changed on the way: %s", text)
			}
		}
	})
}
