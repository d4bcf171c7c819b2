package release

import (
	"fmt"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/manifest"
)

// A body that would be too long for GitHub says what is missing, and the notes have all.
func TestLongBody(t *testing.T) {
	var pairs []string
	for i := range 3000 {
		pairs = append(pairs, fmt.Sprintf("package-%d", i), "1.0")
	}
	w := newWorld(t, nil)
	w.must(t, Created, image(t, "cloud", packages(pairs...), nil))
	body := w.Pulls()[0].Body
	if len(body) > mostBody || len(body) < mostBody-500 {
		t.Errorf("the body has %d bytes", len(body))
	}
	for _, want := range []string{"\n**Cut:** ", "`releases/cloud.md` in this pull request has all of them.", "[this run]", "<!-- respin locks="} {
		if !strings.Contains(body, want) {
			t.Errorf("the body lacks %q", want)
		}
	}
	if notes := w.Files("respin/cloud")["releases/cloud.md"]; !strings.Contains(notes, "`package-2999.x86_64`") || strings.Contains(notes, "Cut:") {
		t.Error("the notes are not complete")
	}
	w.must(t, None, image(t, "cloud", packages(pairs...), nil))
}

// What a manifest says stays text, in the body, the notes, the title and the commit.
func TestHostile(t *testing.T) {
	evil := "x`@everyone|<b>[l](http://x)#1\n::set-output name=a::b\n--> ```\n$(touch x)"
	i := image(t, "cloud", packages(evil, evil), func(m *manifest.Manifest) {
		m.Artifacts[1].Path, m.Artifacts[1].Format, m.Tests[0].Artifact = evil, evil, evil
		m.Tests[0].Cause, m.Tests[0].Machine, m.Tests[0].Firmware = evil, evil, evil
		m.Tests[1].Results[0].Name = evil
		m.Publications = []manifest.Publication{{Kind: evil, Reference: evil}}
		m.Plan = &manifest.Plan{Packages: []manifest.PackageChange{{Name: evil, Arch: "x86_64", New: evil + "-1", Advisories: []string{evil}}},
			Advisories: []manifest.Advisory{{ID: evil, Type: "security", Severity: evil, Title: evil, CVEs: []string{evil}}}}
	})
	w := newWorld(t, nil)
	w.must(t, Created, i)
	pull := w.Pulls()[0]
	for _, text := range []string{pull.Title, pull.Body, w.Files("respin/cloud")["releases/cloud.md"]} {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "::") {
				t.Errorf("a line is a workflow command: %s", line)
			}
			// Outside of code spans, of which each is closed on its line, nothing of it is left.
			for n, part := range strings.Split(strings.ReplaceAll(line, "```sh", ""), "`") {
				if n%2 == 0 && strings.ContainsAny(part, "@$#") && !strings.HasPrefix(line, "#") {
					t.Errorf("it is not in a code span: %s", line)
				}
			}
		}
	}
	for path := range w.Files("respin/cloud") {
		if path != "README.md" && path != "specs/cloud/lock.x86_64.json" && path != "releases/cloud.md" && path != "releases/cloud.json" {
			t.Errorf("there is a file %q", path)
		}
	}
}

// Sizes are compared with those of the release before.
func TestSizes(t *testing.T) {
	w := newWorld(t, nil)
	w.must(t, Created, image(t, "cloud", packages("bash", "5.1"), nil))
	w.Merge(1)
	w.must(t, Created, image(t, "cloud", packages("bash", "5.2"), func(m *manifest.Manifest) { m.Artifacts[1].Size = 500 << 20 }))
	if body := w.Pulls()[1].Body; !strings.Contains(body, "| `qcow2` | 400.0 MiB | 500.0 MiB | +100.0 MiB |") {
		t.Errorf("the body does not compare sizes:\n%s", body)
	}
}
