package kickstart

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// All errors and warnings of testdata/diagnostics/x.ks are in x.out.
func TestDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/diagnostics/*.ks")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		k, err := (&Loader{}).Load(context.Background(), file)
		var b strings.Builder
		if k != nil {
			for _, w := range k.Warnings {
				b.WriteString("warning: " + w.Error() + "\n")
			}
		}
		if err != nil {
			b.WriteString(err.Error() + "\n")
		}
		got := strings.ReplaceAll(b.String(), "testdata/diagnostics/", "")
		golden := strings.TrimSuffix(file, ".ks") + ".out"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
		if strings.Contains(got, "hunter") {
			t.Errorf("%s: a password is quoted: %s", file, got)
		}
	}
}
