package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var block = regexp.MustCompile("(?ms)(?:^<!-- file: (\\S+) -->\n)?^```(\\w+)\n(.*?)^```$")

// Every example of docs/kickstart.md gives what the page says: its files are
// written into one folder, its commands run there.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/kickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	blocks := block.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 10 {
		t.Fatalf("found %d examples only", len(blocks))
	}
	for _, b := range blocks {
		name, language, text := b[1], b[2], b[3]
		switch {
		case name != "":
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		case language != "console":
			t.Errorf("an example that nothing tests: %s", text)
		default:
			command, want, _ := strings.Cut(strings.TrimPrefix(text, "$ "), "\n")
			out, err := exec.Command("sh", "-c", command).CombinedOutput()
			if _, failed := err.(*exec.ExitError); err != nil && !failed {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(out)); diff != "" {
				t.Errorf("%s: %s", command, diff)
			}
		}
	}
}
