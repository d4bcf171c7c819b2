package sbom

import (
	"bytes"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/spdx/tools-golang/json"
)

func TestText(t *testing.T) {
	image := manifest.Image{Name: "cloud", Version: "43", Release: "0", Arch: "x86_64"}
	build := &manifest.Build{SourceDate: 1700000000, Packages: []manifest.Package{
		{Name: "bash", Version: "5.2", Release: "1", Arch: "x86_64", URL: "https://example.org/bash.rpm", License: "GPL-3.0-or-later",
			Checksum: "sha256:" + strings.Repeat("0", 64), Source: "bash-5.2-1.src.rpm"},
		{Name: "libstdc++", Epoch: 1, Version: "15~rc1", Release: "2^x", Arch: "x86_64"},
	}}
	text, err := Text(image, build, "fedora", "sha256:abc")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Text(image, build, "fedora", "sha256:abc")
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("a second document differs, %v", err)
	}
	doc, err := json.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Packages) != 3 || len(doc.Relationships) != 3 {
		t.Errorf("%d packages and %d relationships, want 3 and 3", len(doc.Packages), len(doc.Relationships))
	}
	for _, want := range []string{
		`"created": "2023-11-14T22:13:20Z"`,
		`"pkg:rpm/fedora/bash@5.2-1?arch=x86_64"`,
		`"pkg:rpm/fedora/libstdc++@15~rc1-2%5Ex?arch=x86_64&epoch=1"`,
		`"versionInfo": "1:15~rc1-2^x"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("lacks %s", want)
		}
	}
}
