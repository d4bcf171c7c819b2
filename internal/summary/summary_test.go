package summary

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/report"
)

func TestShow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "summary")
	table := &Table{Title: "Pushed", Columns: []string{"image", "reference"}, Address: "pull"}
	var out bytes.Buffer
	getenv := func(name string) string { return map[string]string{"GITHUB_STEP_SUMMARY": file}[name] }
	r := report.New(&out, "oci-push", report.Actions, getenv)
	table.Show(r)
	if out.Len() != 0 {
		t.Errorf("an empty table shows %q", &out)
	}
	table.Add("https://example.org/a", "cloud-43", "a|b")
	table.Add("r@sha256:0", "x", "<script>")
	table.Add("", "y", "@all 1.5 s (new)")
	table.Note = "3 in 2.0 s"
	table.Show(r)
	want := `oci-push: image     reference
oci-push: cloud-43  a|b
oci-push:   https://example.org/a
oci-push: x         <script>
oci-push:   r@sha256:0
oci-push: y         @all 1.5 s (new)
oci-push: 3 in 2.0 s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want = "\n### Pushed\n\n| image | reference | pull |\n| --- | --- | --- |\n| cloud-43 | `a\\x7cb` | [pull](https://example.org/a) |\n" +
		"| x | `<script>` | `r@sha256:0` |\n| y | `@all 1.5 s (new)` |  |\n\n3 in 2.0 s\n\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}
