package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/mirror"
	"github.com/respin-project/respin/internal/mirror/mirrortest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mirror-sync": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.Commands, Setup: clitest.Setup})
}

func TestDocumented(t *testing.T) {
	if missing := cli.Undocumented(doc, new(options).define); len(missing) > 0 {
		t.Errorf("flags that doc.go does not mention: %q", missing)
	}
}

// release makes an image of a release and its manifest, a stream's.
func release(t *testing.T, n int) []byte {
	t.Helper()
	dir := t.TempDir()
	var artifacts []map[string]any
	for i := range 6 {
		data := make([]byte, 20_000*i+10)
		rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(i)}).Read(data)
		name := fmt.Sprintf("cloud-43-%d.x86_64.%d.qcow2", n, i)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1_700_000_000+int64(n), 0)
		os.Chtimes(filepath.Join(dir, name), at, at)
		sum := sha256.Sum256(data)
		artifacts = append(artifacts, map[string]any{"path": name, "format": "qcow2", "size": len(data), "sha256": hex.EncodeToString(sum[:])})
	}
	text, err := json.Marshal(map[string]any{"schema": "respin/v1", "folder": dir, "artifacts": artifacts,
		"image": map[string]string{"name": "cloud", "version": "43", "release": fmt.Sprint(n), "arch": "x86_64"}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// command returns this test's own program as mirror-sync.
func command(t *testing.T, stream []byte, destination string) *exec.Cmd {
	t.Helper()
	path := clitest.Program(t, "mirror-sync")
	cmd := exec.Command(path, "--quiet", "--allow-untested", "--grace", "0s", destination)
	cmd.Stdin = bytes.NewReader(stream)
	return cmd
}

func bring(t *testing.T, stream []byte, destination string) {
	t.Helper()
	if out, err := command(t, stream, destination).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// files are the contents of a folder, without what mirrors do not carry.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		if err != nil || d.IsDir() || rel == mirror.StateFile || strings.HasPrefix(rel, ".") || strings.HasPrefix(filepath.Base(rel), ".") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err == nil {
			sum := sha256.Sum256(text)
			all[rel] = hex.EncodeToString(sum[:])
		}
		return nil
	})
	return all
}

var (
	checksumLine = regexp.MustCompile(`(?m)^SHA256 \((\S+)\) = ([0-9a-f]{64})$`)
	timeListLine = regexp.MustCompile(`(?m)^\d+\tf\t\d+\t(\S+)$`)
)

// whole follows every pointer that is visible: what it names must be there and be that.
func whole(t *testing.T, dir string) {
	t.Helper()
	have := files(t, dir)
	want := func(pointer, file, sum string) {
		if got, ok := have[file]; !ok || sum != "" && got != sum {
			t.Errorf("%s names %s with %s, there is %q", pointer, file, sum, got)
		}
	}
	for name := range have {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		switch base := path.Base(name); {
		case strings.HasSuffix(base, "CHECKSUM"):
			for _, m := range checksumLine.FindAllStringSubmatch(string(text), -1) {
				want(name, path.Join(path.Dir(name), m[1]), m[2])
			}
		case base == "fullfiletimelist":
			for _, m := range timeListLine.FindAllStringSubmatch(string(text), -1) {
				want(name, m[1], "")
			}
		case base == "images.json":
			var images struct {
				Payload struct {
					Images struct {
						Cloud map[string][]struct {
							Path      string
							Checksums struct{ SHA256 string }
						}
					}
				}
			}
			if err := json.Unmarshal(text, &images); err != nil {
				t.Error(err)
			}
			for _, i := range images.Payload.Images.Cloud["x86_64"] {
				want(name, path.Join("releases/43", i.Path), i.Checksums.SHA256)
			}
		case strings.HasPrefix(name, "streams/"):
			for _, m := range regexp.MustCompile(`"location": "([^"]+)",\s+"sha256": "([0-9a-f]+)"`).FindAllStringSubmatch(string(text), -1) {
				want(name, m[1], m[2])
			}
		}
	}
}

// Killed at any moment and run again, it ends where an undisturbed run does,
// and what pointers name is there all the time.
func TestKilled(t *testing.T) {
	for name, kills := range map[string]int{"folder": 100, "rsync": 10, "s3": 50} {
		if testing.Short() && name != "folder" {
			kills /= 5
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			to := filepath.Join(dir, "pub")
			if err := os.Mkdir(to, 0o755); err != nil {
				t.Fatal(err)
			}
			destination := to
			switch name {
			case "rsync":
				destination = "rsync://" + mirrortest.Rsync(t, dir) + "/pub/pub"
			case "s3":
				t.Setenv("AWS_ENDPOINT_URL", "http://"+mirrortest.S3(t, dir))
				destination = "s3://pub"
			}
			start := time.Now()
			bring(t, release(t, 0), destination)
			took := time.Since(start)
			random := rand.New(rand.NewPCG(4, 4))
			killed := 0
			for n := 1; killed < kills; n++ {
				if n > 4*kills {
					t.Fatalf("it was killed only %d times before its end", killed)
				}
				stream := release(t, n)
				cmd := command(t, stream, destination)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(random.Int64N(int64(took))))
				cmd.Process.Signal(syscall.SIGKILL)
				if cmd.Wait() != nil {
					killed++
					took = took * 9 / 8
				} else {
					took = took * 3 / 4 // it was done: kill the next one earlier
				}
				whole(t, to)
				bring(t, stream, destination)
				whole(t, to)
				fresh := filepath.Join(t.TempDir(), "fresh")
				bring(t, stream, fresh)
				if diff := cmp.Diff(files(t, fresh), files(t, to)); diff != "" {
					t.Fatalf("after %d kills (-undisturbed +disturbed):\n%s", n, diff)
				}
			}
			t.Logf("killed %d times before its end", killed)
		})
	}
}
