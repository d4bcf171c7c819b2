package release

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/respin-project/respin/internal/manifest"
)

// RecordSchema names the format of a Record, and its version.
const RecordSchema = "respin/release/v1"

// A Record is what a release consists of, for programs: the workflow that
// publishes it, and the next pull request, which compares sizes with it. It
// holds nothing that differs between two tests of the same images.
type Record struct {
	Schema string     `json:"schema"`
	Batch  string     `json:"batch"`
	Images []Recorded `json:"images"` // by the path of their locks
}

// Recorded is an image of a release.
type Recorded struct {
	Image     manifest.Image      `json:"image"`
	Spec      string              `json:"spec,omitempty"`      // its folder in the repository
	Kickstart string              `json:"kickstart,omitempty"` // digest of the rendered text, "sha256:" and hex
	Lock      string              `json:"lock"`                // its path in the repository
	Digest    string              `json:"digest"`              // of the lock, "sha256:" and hex
	Artifacts []manifest.Artifact `json:"artifacts"`           // without the lock and its like
	Tests     []Tested            `json:"tests"`
}

// Tested is what a test of an image found.
type Tested struct {
	Artifact string   `json:"artifact"` // path, as in the artifacts
	Firmware string   `json:"firmware"` // "bios" or "uefi"
	Passed   bool     `json:"passed"`
	Warnings []string `json:"warnings,omitempty"` // the checks that failed and may
}

// Record makes the record of a batch.
func (b *Batch) Record() *Record {
	r := &Record{Schema: RecordSchema, Batch: b.Name}
	for _, i := range b.Images {
		one := Recorded{Image: i.Image, Lock: i.Path, Digest: i.Build.Lock, Artifacts: []manifest.Artifact{}, Tests: []Tested{}}
		if i.Spec != nil {
			one.Spec = i.Spec.Path
		}
		if i.Kickstart != nil {
			one.Kickstart = i.Kickstart.Digest
		}
		for _, a := range i.Artifacts {
			if !aside(a.Format) {
				one.Artifacts = append(one.Artifacts, a)
			}
		}
		for _, t := range i.Tests {
			tested := Tested{Artifact: t.Artifact, Firmware: t.Firmware, Passed: t.Passed}
			for _, result := range t.Results {
				if result.Outcome == "failed" {
					tested.Warnings = append(tested.Warnings, result.Name)
				}
			}
			one.Tests = append(one.Tests, tested)
		}
		r.Images = append(r.Images, one)
	}
	return r
}

// aside reports whether an artifact tells of the image rather than holding it.
func aside(format string) bool { return format == "lock" || format == "packages" || format == "spdx" }

// Text is the record as a file holds it.
func (r *Record) Text() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// ParseRecord reads the text of a record.
func ParseRecord(text []byte) (*Record, error) {
	r := new(Record)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	if r.Schema != RecordSchema {
		return nil, fmt.Errorf("schema is %q, this version reads %q", r.Schema, RecordSchema)
	}
	for _, i := range r.Images {
		total := int64(0)
		for _, a := range i.Artifacts {
			if total += a.Size; a.Size < 0 || total < 0 {
				return nil, fmt.Errorf("%s: %q has %d bytes, which cannot be", i.Image.ID(), a.Path, a.Size)
			}
		}
	}
	return r, nil
}

// sizes are the sizes of the artifacts of an image, by format; nil if the
// record does not have the image. A nil record has none.
func (r *Record) sizes(of manifest.Image) map[string]int64 {
	if r == nil {
		return nil
	}
	for _, i := range r.Images {
		if i.Image.Name == of.Name && i.Image.Version == of.Version && i.Image.Arch == of.Arch {
			sizes := map[string]int64{}
			for _, a := range i.Artifacts {
				sizes[a.Format] += a.Size
			}
			return sizes
		}
	}
	return nil
}
