// Package actions holds the composite actions to the commands that they run.
package actions

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// An action is what the test reads of an action.yml.
type action struct {
	Name   string
	Inputs map[string]struct {
		Description string
		Required    bool
	}
	Runs struct {
		Using string
		Steps []struct {
			Shell, Run string
			Env        map[string]string
		}
	}
}

func read(t *testing.T, path string) action {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

var (
	flagLine = regexp.MustCompile(`(?m)^\t--([a-z][a-z-]*)`)
	// These say nothing to a workflow.
	notInputs = []string{"quiet", "version"}
	kinds     = regexp.MustCompile(`^RESPIN_(FLAG|LIST|SWITCH)_(.*)$`)
)

// Every flag of a command is an input of its action, and reaches the command by its own name.
func TestInputs(t *testing.T) {
	manuals, err := filepath.Glob("../cmd/*/doc.go")
	if err != nil || len(manuals) == 0 {
		t.Fatal(err, "no commands")
	}
	for _, manual := range manuals {
		name := filepath.Base(filepath.Dir(manual))
		t.Run(name, func(t *testing.T) {
			doc, err := os.ReadFile(manual)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, m := range flagLine.FindAllSubmatch(doc, -1) {
				if flag := string(m[1]); !slices.Contains(notInputs, flag) && !slices.Contains(want, flag) {
					want = append(want, flag)
				}
			}
			a := read(t, filepath.Join(name, "action.yml"))
			if len(a.Runs.Steps) != 1 || a.Runs.Steps[0].Run != `"$GITHUB_ACTION_PATH/../../scripts/action" `+name {
				t.Fatalf("it should run scripts/action with the command: %+v", a.Runs.Steps)
			}
			var got []string
			for variable, value := range a.Runs.Steps[0].Env {
				input := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
				m := kinds.FindStringSubmatch(variable)
				if m == nil && !slices.Contains([]string{"RESPIN_ARGS", "RESPIN_MANIFEST", "RESPIN_NO", "RESPIN_VALUE", "GITHUB_TOKEN"}, variable) {
					t.Errorf("scripts/action does not read %s", variable)
				}
				if m == nil {
					continue
				}
				if _, ok := a.Inputs[input]; !ok {
					t.Errorf("%s is of no input: %q", variable, value)
				}
				if flag := strings.ToLower(strings.ReplaceAll(m[2], "_", "-")); flag != input {
					t.Errorf("the input %s becomes --%s", input, flag)
				}
				got = append(got, input)
			}
			slices.Sort(want)
			slices.Sort(got)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("flags of the manual (-) and inputs that become flags (+):\n%s", d)
			}
			for input := range a.Inputs {
				if !strings.Contains(strings.Join(values(a), "\n"), "inputs."+input+" ") {
					t.Errorf("nothing reads the input %s", input)
				}
			}
		})
	}
}

func values(a action) (all []string) {
	for _, value := range a.Runs.Steps[0].Env {
		all = append(all, value)
	}
	return all
}

// What a pull request can put into an input stays one word of the command line,
// and becomes neither an output nor a command of the workflow.
func TestHostileInputs(t *testing.T) {
	const hostile = "a\"b'c $(touch owned) `touch owned` ; touch owned ${IFS} ::set-output name=x::y %0A * -- --to=vhd"
	dir := t.TempDir()
	// In place of the command: tells its arguments and its standard input.
	program := "#!/bin/sh\nprintf '%s\\0' \"$@\" > args\ncat > stdin\necho '{}'\nexit ${CODE:-0}\n"
	if err := os.WriteFile(filepath.Join(dir, "img-convert"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte("{\"in\":1}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("../scripts/action")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		env     []string
		args    []string
		outputs []string
		fails   bool
	}{
		{"nothing", nil, []string{"--"}, []string{"count=1"}, false},
		{"flags", []string{"RESPIN_FLAG_DISK_SIZE=" + hostile, "RESPIN_FLAG_ARCH="}, []string{"--disk-size=" + hostile, "--"}, []string{"count=1"}, false},
		{"line breaks", []string{"RESPIN_FLAG_NAME=a\nmanifest=/etc/passwd\n::error::x"}, []string{"--name=a\nmanifest=/etc/passwd\n::error::x", "--"}, []string{"count=1"}, false},
		{"lists", []string{"RESPIN_LIST_VAR=A=" + hostile + "\n\nB= 2 "}, []string{"--var=A=" + hostile, "--var=B= 2 ", "--"}, []string{"count=1"}, false},
		{"arguments", []string{"RESPIN_ARGS=--apply\n" + hostile}, []string{"--", "--apply", hostile}, []string{"count=1"}, false},
		{"switches", []string{"RESPIN_SWITCH_DRY_RUN=true", "RESPIN_SWITCH_PUBLIC=false"}, []string{"--dry-run", "--"}, []string{"count=1"}, false},
		{"no switch", []string{"RESPIN_SWITCH_PUBLIC=" + hostile}, nil, nil, true},
		{"failure", []string{"CODE=1"}, []string{"--"}, []string{"count=1"}, true},
		{"no", []string{"CODE=3"}, []string{"--"}, []string{"count=1"}, true},
		{"no is an answer", []string{"CODE=3", "RESPIN_NO=answer"}, []string{"--"}, []string{"count=1", "answer=no"}, false},
		{"value", []string{"RESPIN_VALUE=matrix"}, []string{"--"}, []string{"count=1", "matrix={}"}, false},
		{"yes is an answer", []string{"RESPIN_NO=answer"}, []string{"--"}, []string{"count=1", "answer=yes"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			work := t.TempDir()
			output := filepath.Join(work, "output")
			cmd := exec.Command(script, "img-convert")
			cmd.Dir = work
			cmd.Env = append([]string{"PATH=" + dir + ":" + os.Getenv("PATH"), "RUNNER_TEMP=" + work, "GITHUB_OUTPUT=" + output, "RESPIN_MANIFEST=" + filepath.Join(dir, "in")}, tt.env...)
			if said, err := cmd.CombinedOutput(); (err != nil) != tt.fails {
				t.Fatalf("%v\n%s", err, said)
			}
			if _, err := os.Stat(filepath.Join(work, "owned")); err == nil {
				t.Error("an input was run")
			}
			args, _ := os.ReadFile(filepath.Join(work, "args"))
			if got := strings.Join(tt.args, "\x00"); tt.args != nil && got+"\x00" != string(args) {
				t.Errorf("got %q, want %q", args, tt.args)
			}
			text, _ := os.ReadFile(output)
			var got []string
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(line, "manifest="+work+"/img-convert.") {
					got = append(got, strings.TrimSpace(line))
				}
			}
			if d := cmp.Diff(tt.outputs, got); d != "" {
				t.Errorf("outputs (-want +got):\n%s", d)
			}
		})
	}
}

// The action at the root builds every command from its own checkout, wherever it is called from.
func TestSetup(t *testing.T) {
	root := read(t, "../action.yml")
	if len(root.Runs.Steps) != 1 || root.Runs.Steps[0].Run != `"$GITHUB_ACTION_PATH/scripts/action-setup"` {
		t.Fatalf("it should run scripts/action-setup: %+v", root.Runs.Steps)
	}
	script, err := filepath.Abs("../scripts/action-setup")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	cmd := exec.Command(script)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "RUNNER_TEMP="+work, "GITHUB_OUTPUT="+work+"/output", "GITHUB_PATH="+work+"/path")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	bin := filepath.Join(work, "respin-bin")
	for file, want := range map[string]string{"output": "bin=" + bin + "\n", "path": bin + "\n"} {
		if text, err := os.ReadFile(filepath.Join(work, file)); err != nil || string(text) != want {
			t.Errorf("%s has %q, %v", file, text, err)
		}
	}
	commands, err := filepath.Glob("../cmd/*")
	if err != nil || len(commands) == 0 {
		t.Fatal(err, "no commands")
	}
	for _, command := range commands {
		if out, err := exec.Command(filepath.Join(bin, filepath.Base(command)), "--version").Output(); err != nil || len(out) == 0 {
			t.Errorf("%s: %q, %v", command, out, err)
		}
	}
}
