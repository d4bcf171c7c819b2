// Package sbom writes the software bill of materials of an image in SPDX 2.3
// (https://spdx.github.io/spdx-spec/v2.3/), as JSON.
package sbom

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// MediaType is that of what Text returns.
const MediaType = "application/spdx+json"

// Text returns the SPDX document of an image with the packages of b.
// distribution is the image's os-release ID, such as "fedora"; digest, which
// makes the document's name unique, identifies what was built.
func Text(image manifest.Image, b *manifest.Build, distribution, digest string) ([]byte, error) {
	root := &spdx.Package{
		PackageName: image.Name, PackageSPDXIdentifier: "image", PackageVersion: image.Version + "-" + image.Release,
		PackageDownloadLocation: "NOASSERTION", PrimaryPackagePurpose: "OPERATING-SYSTEM",
		PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION",
		PackageSummary: image.Summary, IsFilesAnalyzedTagPresent: true,
	}
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      image.ID(),
		DocumentNamespace: "https://github.com/respin-project/respin/spdx/" + url.PathEscape(image.ID()) + "/" + strings.TrimPrefix(digest, "sha256:"),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "respin"}},
			Created:  time.Unix(b.SourceDate, 0).UTC().Format(time.RFC3339),
		},
		Packages:      []*spdx.Package{root},
		Relationships: []*spdx.Relationship{relate("DOCUMENT", "DESCRIBES", "image")},
	}
	for i, p := range b.Packages {
		id := common.ElementID(fmt.Sprintf("package-%d", i+1))
		doc.Packages = append(doc.Packages, describe(id, p, distribution))
		doc.Relationships = append(doc.Relationships, relate("image", "CONTAINS", string(id)))
	}
	var out bytes.Buffer
	if err := json.Write(doc, &out, json.Indent(" "), json.EscapeHTML(false)); err != nil {
		return nil, fmt.Errorf("writing the bill of materials: %w", err)
	}
	return out.Bytes(), nil
}

func relate(a, how, b string) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: common.MakeDocElementID("", a), RefB: common.MakeDocElementID("", b), Relationship: how,
	}
}

func describe(id common.ElementID, p manifest.Package, distribution string) *spdx.Package {
	d := &spdx.Package{
		PackageName: p.Name, PackageSPDXIdentifier: id, PackageVersion: version(p),
		PackageDownloadLocation: "NOASSERTION", IsFilesAnalyzedTagPresent: true,
		PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: "PACKAGE-MANAGER", RefType: "purl", Locator: packageURL(p, distribution),
		}},
	}
	if p.URL != "" {
		d.PackageDownloadLocation = p.URL
	}
	if p.License != "" { // not always an SPDX expression, so it cannot be declared as one
		d.PackageLicenseComments = "License tag of the package: " + p.License
	}
	if p.Source != "" {
		d.PackageSourceInfo = "built from " + p.Source
	}
	if algorithm, value, ok := strings.Cut(p.Checksum, ":"); ok {
		d.PackageChecksums = []common.Checksum{{Algorithm: common.ChecksumAlgorithm(strings.ToUpper(algorithm)), Value: value}}
	}
	return d
}

func version(p manifest.Package) string {
	if p.Epoch != 0 {
		return fmt.Sprintf("%d:%s-%s", p.Epoch, p.Version, p.Release)
	}
	return p.Version + "-" + p.Release
}

// packageURL is the package's name in https://github.com/package-url/purl-spec, type rpm.
func packageURL(p manifest.Package, distribution string) string {
	q := url.Values{"arch": {p.Arch}}
	if p.Epoch != 0 {
		q.Set("epoch", fmt.Sprint(p.Epoch))
	}
	return fmt.Sprintf("pkg:rpm/%s/%s@%s?%s", url.PathEscape(strings.ToLower(distribution)), url.PathEscape(p.Name),
		url.PathEscape(p.Version+"-"+p.Release), q.Encode())
}
