package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/registry/registrytest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"oci-push": main})
}

func TestScripts(t *testing.T) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"index": index}
	commands["registry"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Setenv("REGISTRY", registrytest.Start(t, t.TempDir()))
		ts.Setenv("DOCKER_CONFIG", ts.MkAbs("."))
		ts.Setenv("HOME", ts.MkAbs("."))
	}
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.With(commands), Setup: clitest.Setup})
}

// index REFERENCE ARCH... compares the architectures of an index.
func index(ts *testscript.TestScript, _ bool, args []string) {
	got, err := architectures(args[0])
	ts.Check(err)
	if !slices.Equal(got, args[1:]) {
		ts.Fatalf("%s has %q", args[0], got)
	}
}

func architectures(reference string) ([]string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, err
	}
	index, err := remote.Index(ref)
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var got []string
	for _, d := range m.Manifests {
		got = append(got, d.Platform.Architecture)
	}
	return got, nil
}

func TestDocumented(t *testing.T) {
	if missing := cli.Undocumented(doc, new(options).define); len(missing) > 0 {
		t.Errorf("flags that doc.go does not mention: %q", missing)
	}
}

// command returns this test's own program as oci-push.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path := clitest.Program(t, "oci-push")
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	return cmd
}

func push(t *testing.T, args ...string) {
	t.Helper()
	if out, err := command(t, append([]string{"--quiet"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// tree makes a root tree whose content seed decides.
func tree(t *testing.T, seed uint64, size int) string {
	t.Helper()
	dir := t.TempDir()
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
	for i, part := range slices.Collect(slices.Chunk(data, size/10+1)) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), part, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// state is the index that a tag names, nil if there is none. What it holds must be complete.
func state(t *testing.T, reference string) []v1.Descriptor {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(ref); err != nil {
		return nil
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Errorf("what is visible is not complete: %v", err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests { // every blob is there
		image, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(image); err != nil {
			t.Errorf("what is visible is not complete: %v", err)
		}
	}
	return m.Manifests
}

// Killed at any moment and run again, it ends where an undisturbed run does,
// and what the tag names is complete all the time: what was before, or what is after.
func TestKilled(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	to := host + "/killed/x:43"
	push(t, "--arch", "aarch64", to, tree(t, 0, 1000))
	start := time.Now()
	push(t, "--arch", "x86_64", to, tree(t, 1, size))
	took := time.Since(start)
	old := state(t, to)
	random := rand.New(rand.NewPCG(4, 4))
	killed, between := 0, 0
	const kills = 100
	for i := 0; killed < kills; i++ {
		if i == 4*kills {
			t.Fatalf("it was killed only %d times before its end", killed)
		}
		root := tree(t, uint64(i+2), size)
		plan, err := command(t, "--dry-run", "--arch", "x86_64", to, root).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, plan)
		}
		cmd := command(t, "--quiet", "--arch", "x86_64", to, root)
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
		got := state(t, to)
		if equal(got, old) {
			between++
		} else if !planned(plan, got) {
			t.Errorf("the tag names neither what was nor what comes: %v", got)
		}
		push(t, "--arch", "x86_64", to, root)
		if old = state(t, to); !planned(plan, old) {
			t.Errorf("after the second run: %v, want %s", old, plan)
		}
	}
	t.Logf("killed %d times before its end, %d times before the tag moved", killed, between)
}

const size = 300_000 // bytes of the tree, of which nothing can be compressed

// planned reports whether an index holds the image of a dry run, and the other one.
func planned(plan []byte, got []v1.Descriptor) bool {
	return len(got) == 2 && bytes.Contains(plan, []byte("would store "+got[0].Digest.String()+" for amd64"))
}

func equal(a, b []v1.Descriptor) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// Other tools take what was pushed.
func TestPulled(t *testing.T) {
	host := registrytest.Start(t, t.TempDir())
	dir := tree(t, 1, 5000)
	shell(t, dir)
	push(t, host+"/pull/gzip:1", dir)
	push(t, "--compression", "zstd", host+"/pull/zstd:1", dir)
	for _, tag := range []string{"gzip:1", "zstd:1"} {
		t.Run("skopeo "+tag, func(t *testing.T) {
			tool(t, "skopeo", "copy", "--quiet", "--insecure-policy", "--all", "--src-tls-verify=false", "docker://"+host+"/pull/"+tag, "dir:"+t.TempDir())
		})
		t.Run("podman "+tag, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "podman") // which mounts things there
			if err != nil {
				t.Fatal(err)
			}
			store := []string{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"}
			t.Cleanup(func() {
				exec.Command("podman", append(store, "rm", "--all", "--force")...).Run()
				os.RemoveAll(dir)
			})
			tool(t, "podman", append(store, "pull", "--quiet", "--tls-verify=false", host+"/pull/"+tag)...)
			run := append(store, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--cgroups", "disabled", host+"/pull/"+tag, "/bin/hello")
			out, err := exec.Command("podman", run...).CombinedOutput()
			if err != nil {
				t.Skipf("SKIP: podman runs no container here: %v\n%s", err, out)
			}
			if !strings.Contains(string(out), "hello from the container") {
				t.Errorf("the container says %q", out)
			}
		})
	}
}

// shell puts a program into a tree that needs nothing else.
func shell(t *testing.T, dir string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "hello.go")
	if err := os.WriteFile(source, []byte("package main\nfunc main() { println(\"hello from the container\") }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "bin/hello"), source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func tool(t *testing.T, program string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("SKIP: %s is not installed", program)
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}
