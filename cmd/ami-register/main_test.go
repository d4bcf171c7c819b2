package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/ami"
	"github.com/respin-project/respin/internal/cli"
	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/ec2fake/ec2test"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ami-register": main})
}

func TestDocumented(t *testing.T) {
	if missing := cli.Undocumented(doc, new(options).define); len(missing) > 0 {
		t.Errorf("flags that doc.go does not mention: %q", missing)
	}
}

// Whatever a flag sets reaches the settings.
func TestApply(t *testing.T) {
	var o options
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	o.define(fs)
	args := strings.Fields("--region a,b --name N --description D --family F --boot-mode uefi --root-device R --volume-size 9 --tpm --public " +
		"--account 111122223333 --organization O --tag k=v --tag l=w=x --deprecate 1d --ssm-parameter P")
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	got := ami.Settings{Name: "spec's"}
	got.Tags = map[string]string{"k": "old", "spec": "stays"}
	o.apply(&got)
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"regions":["a","b"],"name":"N","description":"D","family":"F","boot_mode":"uefi","root_device":"R","volume_size":9,"tpm":true,"public":true,` +
		`"accounts":["111122223333"],"organizations":["O"],"tags":{"k":"v","l":"w=x","spec":"stays"},"deprecate":"1d","parameter":"P"}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestScripts(t *testing.T) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"fake": fake, "image": image, "state": state}
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: clitest.With(commands), Setup: func(env *testscript.Env) error {
		for name, value := range ec2test.Environment("http://127.0.0.1:1") {
			env.Setenv(name, value)
		}
		env.Values["servers"] = map[string]*ec2fake.Server{}
		return clitest.Setup(env)
	}})
}

// fake [encrypted] [blocked] [expired] [denied=OPERATION] starts an account of its own.
func fake(ts *testscript.TestScript, _ bool, args []string) {
	key := ec2fake.Key{Secret: ec2test.Secret}
	o := ec2fake.Options{Disabled: []string{"af-south-1"}}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "encrypted":
			o.Encrypted = map[string]bool{"us-east-1": true}
		case "blocked":
			o.BlockPublic = map[string]bool{"us-east-1": true}
		case "expired":
			key.Expires = time.Now().Add(-time.Minute)
		case "denied":
			key.Denied = []string{value}
		default:
			ts.Fatalf("unknown option %q", arg)
		}
	}
	o.Keys = map[string]ec2fake.Key{ec2fake.DefaultKey: key}
	o.Folder = ts.MkAbs(".")
	s := ec2fake.New(o)
	web := httptest.NewServer(s)
	ts.Defer(func() { web.Close(); s.Close() })
	ts.Setenv("AWS_ENDPOINT_URL", web.URL)
	ts.Value("servers").(map[string]*ec2fake.Server)["it"] = s
}

// state writes what is in the account to the file state.
func state(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value("servers").(map[string]*ec2fake.Server)["it"]
	ts.Check(os.WriteFile(ts.MkAbs("state"), []byte(s.State()), 0o644))
}

// image FOLDER NAME SEED [untested] makes an image's folder and its manifest.json.
func image(ts *testscript.TestScript, _ bool, args []string) {
	var seed uint64
	_, err := fmt.Sscan(args[2], &seed)
	ts.Check(err)
	folder := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(folder, 0o755))
	m := ec2test.Image(ts, folder, args[1], ec2test.Disk(seed, 2<<20))
	if len(args) > 3 && args[3] == "untested" {
		m.Tests = nil
	}
	if len(args) > 3 && args[3] == "spec" {
		m.Spec = &manifest.Spec{Path: "specs/x", Publish: map[string]any{"ami-register": map[string]any{"regions": []string{"eu-west-1"}, "tags": map[string]string{"from": "spec"}}}}
	}
	if len(args) > 3 && args[3] == "badspec" {
		m.Spec = &manifest.Spec{Path: "specs/x", Publish: map[string]any{"ami-register": map[string]any{"region": "eu-west-1"}}}
	}
	ts.Check(m.Save())
}

// The command, killed at random points a hundred times and more, ends where an
// undisturbed one does, and tells nobody its secret.
func TestKilled(t *testing.T) {
	path := clitest.Program(t, "ami-register")
	disk := ec2test.Disk(11, 8<<20)
	folder := t.TempDir()
	m := ec2test.Image(t, folder, "cloud", disk)
	if err := m.Save(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	start := func(out *bytes.Buffer) *exec.Cmd {
		cmd := exec.Command(path, "--region", "us-east-1,eu-central-1", "--public", "--deprecate", "30d", "--ssm-parameter", "/respin/{{.Name}}", "--workers", "8")
		cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = folder, bytes.NewReader(text), out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	random := rand.New(rand.NewPCG(1, 1))
	want, killed, rounds, shortest := "", 0, 0, time.Hour
	for ; killed < 100 && rounds < 60; rounds++ {
		s := ec2test.Start(t, ec2fake.Options{Hidden: 20 * time.Millisecond, Ready: 20 * time.Millisecond, Copying: 30 * time.Millisecond})
		for try := 0; ; try++ {
			var out bytes.Buffer
			began := time.Now()
			cmd := start(&out)
			if rounds > 0 && try < 12 {
				timer := time.AfterFunc(time.Duration(random.Int64N(int64(shortest))), func() { cmd.Process.Signal(syscall.SIGKILL) })
				defer timer.Stop()
			}
			err := cmd.Wait()
			if strings.Contains(out.String(), ec2test.Secret) {
				t.Fatalf("the secret is told:\n%s", &out)
			}
			if err == nil {
				shortest = min(shortest, time.Since(began))
				break
			}
			if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("round %d: %v\n%s", rounds, err, &out)
			}
			killed++
		}
		if rounds == 0 {
			want = s.State()
		} else if diff := cmp.Diff(want, s.State()); diff != "" {
			t.Fatalf("round %d: the end is another (-undisturbed +killed):\n%s", rounds, diff)
		}
		for _, region := range []string{"us-east-1", "eu-central-1"} {
			if err := s.Compare(region, s.Snapshots(region)[0], bytes.NewReader(disk)); err != nil {
				t.Fatal(err)
			}
		}
		if left, _ := os.ReadDir(folder); len(left) != 2 {
			t.Fatalf("round %d left %v", rounds, left)
		}
	}
	t.Logf("killed %d times", killed)
	if killed < 100 {
		t.Errorf("it was killed %d times only", killed)
	}
}
