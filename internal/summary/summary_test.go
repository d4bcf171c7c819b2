package summary

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

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

func TestFigures(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 528154624: "528.2 MB", 5e12: "5.0 TB", 5e15: "5000.0 TB"} {
		if got := Size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{40 * time.Millisecond: "0.0 s", 1500 * time.Millisecond: "1.5 s", 90 * time.Second: "1m30s"} {
		if got := Time(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
