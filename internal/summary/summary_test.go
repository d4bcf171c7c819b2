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
	table := &Table{Title: "Pushed", Columns: []string{"image", "reference"}}
	var out bytes.Buffer
	getenv := func(name string) string { return map[string]string{"GITHUB_STEP_SUMMARY": file}[name] }
	r := report.New(&out, "oci-push", report.Actions, getenv)
	table.Show(r)
	if out.Len() != 0 {
		t.Errorf("an empty table shows %q", &out)
	}
	table.Add("cloud-43", "a|b")
	table.Add("x", "<script>")
	table.Show(r)
	if diff := cmp.Diff("oci-push: image     reference\noci-push: cloud-43  a|b\noci-push: x         <script>\n", out.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("### Pushed\n\n| image | reference |\n|---|---|\n| cloud-43 | a\\|b |\n| x | &lt;script> |\n\n", string(text)); diff != "" {
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
