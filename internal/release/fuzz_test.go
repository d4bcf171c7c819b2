package release

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/respin-project/respin/internal/manifest"
)

// FuzzParseRecord reads a record as it stands in a repository, where anybody
// who may push can have written it: what is read can be written and read again,
// and the sizes that it tells make a table as others do.
func FuzzParseRecord(f *testing.F) {
	i := image(f, "cloud", packages("bash", "5.2"), nil)
	b, err := NewBatch("", []*Image{i})
	if err != nil {
		f.Fatal(err)
	}
	text, err := b.Record().Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"schema":"respin/release/v1","images":[{"image":{"name":"cloud","version":"43","arch":"x86_64"},"artifacts":[{"format":"qcow2","size":-1}]}]}`))
	f.Add([]byte(`{"schema":"respin/release/v1","images":[{"image":{"name":"cloud","version":"43","arch":"x86_64"},"artifacts":[{"format":"qcow2","size":9223372036854775807},{"format":"qcow2","size":9223372036854775807}]}]}`))
	f.Add([]byte(`{"schema":"respin/release/v2"}`))
	f.Add([]byte(`{"schema":"respin/release/v1","batch":"\u0000\ud800` + "`|\\n" + `","images":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecord(data)
		if err != nil {
			return
		}
		text, err := r.Text()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again, err := ParseRecord(text)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, text)
		}
		if twice, err := again.Text(); err != nil || string(twice) != string(text) {
			t.Fatalf("changed on the way: %v\n%s\n%s", err, text, twice)
		}
		for format, size := range r.sizes(manifest.Image{Name: "cloud", Version: "43", Arch: "x86_64"}) {
			if size < 0 {
				t.Errorf("%q has %d bytes", format, size)
			}
		}
		n := &Notes{Batch: b, Before: r}
		n.compare()
		notes, err := n.Text("")
		if err != nil || !utf8.ValidString(notes) {
			t.Fatalf("the notes are %q, %v", notes, err)
		}
		_, table, _ := strings.Cut(notes, "\n## Sizes\n\n")
		table, _, _ = strings.Cut(table, "\n\n")
		for line := range strings.Lines(table) {
			if strings.Count(line, "|") != 6 || strings.Contains(line, "-9") || strings.Contains(line, "--") && !strings.Contains(line, "---") {
				t.Errorf("a line of the table of sizes is %s", line)
			}
		}
	})
}
