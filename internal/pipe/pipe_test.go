// Package pipe holds the tests of the commands together: a kickstart goes in, an
// image that has booted comes out. They take minutes, so that they only run
// where RESPIN_PIPE is set, as scripts/test does.
package pipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/fixture"
	"github.com/respin-project/respin/internal/manifest"
)

// bin is the folder of the commands.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("RESPIN_PIPE") == "" {
			fmt.Println("SKIP: RESPIN_PIPE is unset; these tests build and boot images for minutes")
			return 0
		}
		if bin = os.Getenv("RESPIN_BIN"); bin != "" {
			return m.Run()
		}
		var err error
		if bin, err = os.MkdirTemp("", "respin-bin-"); err != nil {
			fmt.Println("FAIL:", err)
			return 1
		}
		defer os.RemoveAll(bin)
		if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/...", "../fixture/mkfixture").CombinedOutput(); err != nil {
			fmt.Printf("FAIL: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// slow skips a test that takes minutes more under -short.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIP: takes minutes more, and -short is given: scripts/test --slow runs it")
	}
}

// A run is what came out of a pipe.
type run struct {
	manifests []*manifest.Manifest
	exit      int // of the last command
	messages  string
	output    string // folder of the images
}

// pipe renders what args name, builds it from a fixture distribution, converts it to qcow2 and boots it.
func pipe(t *testing.T, d fixture.Distribution, args []string, smoke ...string) run {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("SKIP: there is no QEMU: scripts/setup installs it")
	}
	r := run{output: filepath.Join(t.TempDir(), "out")}
	build := []string{"img-build", "--output", r.output, "--key", d.Key()}
	for _, name := range repositories(t, args) {
		build = append(build, "--repo", name+"="+d.Repo())
	}
	stages := [][]string{append([]string{"ks-render"}, args...), build, {"img-convert", "--to", "qcow2"}, append([]string{"img-smoke"}, smoke...)}
	messages, err := os.Create(filepath.Join(t.TempDir(), "messages")) // a file, for several processes write to it
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Close()
	var out bytes.Buffer
	start := time.Now()
	r.exit = connect(t, stages, &out, messages)
	text, err := os.ReadFile(messages.Name())
	if err != nil {
		t.Fatal(err)
	}
	r.messages = string(text)
	t.Logf("the pipe took %.0f s", time.Since(start).Seconds())
	for stream := manifest.NewReader(&out, "the pipe"); ; {
		m, err := stream.Read()
		if err == io.EOF {
			return r
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, r.messages)
		}
		r.manifests = append(r.manifests, m)
	}
}

// repositories are the names of those that kickstarts install from.
func repositories(t *testing.T, args []string) []string {
	t.Helper()
	rendered, err := exec.Command(filepath.Join(bin, "ks-render"), append([]string{"--quiet"}, args...)...).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	var names []string
	for _, m := range regexp.MustCompile(`\\nrepo --name=([^ "]+)`).FindAllSubmatch(rendered, -1) {
		if name := string(m[1]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if names == nil {
		return []string{"url"}
	}
	return names // the url command of Fedora's is one of them
}

// connect runs a pipe and returns the exit code of its last command.
func connect(t *testing.T, stages [][]string, stdout io.Writer, stderr *os.File) int {
	t.Helper()
	var commands []*exec.Cmd
	var in io.ReadCloser
	for i, s := range stages {
		cmd := exec.Command(filepath.Join(bin, s[0]), append(s[1:], "--quiet")...)
		cmd.Stderr = stderr
		if in != nil {
			cmd.Stdin = in
		}
		if i == len(stages)-1 {
			cmd.Stdout = stdout
		} else {
			var err error
			if in, err = cmd.StdoutPipe(); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, cmd)
	}
	exit := 0
	for i := len(commands) - 1; i >= 0; i-- {
		err := commands[i].Wait()
		if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if i == len(commands)-1 {
			exit = commands[i].ProcessState.ExitCode()
		}
	}
	return exit
}

// passed fails the test unless exactly these images came out, each tested.
func (r run) passed(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, m := range r.manifests {
		got = append(got, m.Image.Name)
		for _, test := range m.Tests {
			t.Logf("%s, %s: %.0f s, %d results, retries %q", m.Image.ID(), test.Firmware, test.Seconds, len(test.Results), test.Retries)
			if !test.Passed {
				t.Errorf("%s came out though its %s test failed: %s", m.Image.ID(), test.Firmware, test.Cause)
			}
		}
		if len(m.Tests) == 0 {
			t.Errorf("%s came out without a test", m.Image.ID())
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%q came out, not %q:\n%s", got, want, r.messages)
	}
}

// saved returns the manifest.json of an image.
func (r run) saved(t *testing.T, id string) map[string]json.RawMessage {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.output, id, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatal(err)
	}
	return members
}
