// Package manifest is the wire format between the commands: one JSON document
// an image, with a section for each stage it went through.
//
// A stream is any concatenation of such documents; the commands write each on
// a line of its own. A command changes its own section and passes the others
// on byte for byte (white space between tokens aside), with every field in
// them that it does not know. The schema in schema.json is the format's
// definition for other languages; tests hold it against the types here.
package manifest

import (
	"fmt"
	"path/filepath"
	"regexp"
)

// Schema names the format and its version, the value of a document's "schema".
const Schema = "respin/v1"

// A Manifest is what is known of one image.
type Manifest struct {
	// Folder is where the image's files are: the paths of Artifacts, and of
	// what Tests left behind, are relative to it. It is relative to the working
	// folder, and absent from a manifest.json, which lies in the folder itself.
	Folder string

	Image        Image
	Spec         *Spec
	Kickstart    *Kickstart
	Plan         *Plan
	Build        *Build
	Artifacts    []Artifact
	Tests        []Test
	Publications []Publication

	read []member // as it was read, in order; see codec.go
}

// Image says which image it is.
type Image struct {
	Name    string `json:"name"`
	Version string `json:"version"` // of the distribution, such as "43"
	Release string `json:"release"` // of the image, such as "20261103.0"
	Arch    string `json:"arch"`    // as RPM names it, such as "x86_64"
	Summary string `json:"summary,omitempty"`
}

// ID is NAME-VERSION-RELEASE.ARCH, the image's name among files and in messages.
func (i Image) ID() string {
	return fmt.Sprintf("%s-%s-%s.%s", i.Name, i.Version, i.Release, i.Arch)
}

// Each part of an ID becomes part of a folder's name.
var idPart = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~^-]*$`)

func (i Image) check() error {
	for _, part := range []struct{ name, value string }{
		{"name", i.Name}, {"version", i.Version}, {"release", i.Release}, {"arch", i.Arch},
	} {
		if part.value == "" {
			return fmt.Errorf("image.%s is missing", part.name)
		}
		if !idPart.MatchString(part.value) {
			return fmt.Errorf("image.%s: %q may hold letters, digits and . _ + ~ ^ - only, and must begin with a letter or digit", part.name, part.value)
		}
	}
	return nil
}

// Kickstart is the rendered text that the image is built from.
type Kickstart struct {
	Path    string   `json:"path"`              // of the file that was rendered
	Syntax  string   `json:"syntax"`            // the syntax version, such as "F43" or "RHEL10"
	Text    string   `json:"text"`              // flattened: no %include that could be resolved is left
	Digest  string   `json:"digest"`            // "sha256:" and hex, of Text
	Sources []Source `json:"sources"`           // every file that went into it, in the order they were first read
	Origins []Origin `json:"origins,omitempty"` // where the lines of Text come from
}

// Source is a file that a kickstart was rendered from.
type Source struct {
	Path   string `json:"path"`   // or URL
	Digest string `json:"digest"` // "sha256:" and hex, of its bytes as read
}

// Origin says that from line Line of the text on, lines come from File,
// beginning with its line FileLine, until the next Origin. Lines count from 1.
type Origin struct {
	Line     int    `json:"line"`
	File     string `json:"file"`
	FileLine int    `json:"file_line"`
}

// Locate returns where line of the text comes from; the file is empty if that is not known.
func (k *Kickstart) Locate(line int) (file string, fileLine int) {
	for _, o := range k.Origins {
		if o.Line > line {
			break
		}
		file, fileLine = o.File, o.FileLine+line-o.Line
	}
	return file, fileLine
}

// Build says how the image was built and from what.
type Build struct {
	Engine       string       `json:"engine"`                // "direct" or "anaconda"
	SourceDate   int64        `json:"source_date"`           // SOURCE_DATE_EPOCH, seconds
	Repositories []Repository `json:"repositories"`          // in the kickstart's order
	Packages     []Package    `json:"packages"`              // installed, by name, then the rest of the NEVRA
	Lock         string       `json:"lock,omitempty"`        // digest of the lock that was built, "sha256:" and hex; empty if none was given
	Unverified   bool         `json:"unverified,omitempty"`  // built with --insecure-no-signatures
	TreeBytes    int64        `json:"tree_bytes,omitempty"`  // of the regular files in the root tree
	Filesystems  []Filesystem `json:"filesystems,omitempty"` // of the disk, in its partitions' order
	Networked    []string     `json:"networked,omitempty"`   // the scripts that ran with network access, as FILE:LINE
}

// Repository is a package repository as it was when the image was built.
type Repository struct {
	Name   string `json:"name"`
	URL    string `json:"url"`              // the base URL that answered
	Repomd string `json:"repomd"`           // digest of repomd.xml, "sha256:" and hex
	Newest int64  `json:"newest,omitempty"` // the newest timestamp in it, seconds
}

// Package is an installed RPM.
type Package struct {
	Name       string `json:"name"`
	Epoch      int    `json:"epoch,omitempty"`
	Version    string `json:"version"`
	Release    string `json:"release"`
	Arch       string `json:"arch"`
	Repository string `json:"repository,omitempty"`
	URL        string `json:"url,omitempty"`
	Checksum   string `json:"checksum,omitempty"`  // of the file, "sha256:" and hex
	Size       int64  `json:"size,omitempty"`      // of the file, bytes
	Installed  int64  `json:"installed,omitempty"` // of its contents, bytes
	Source     string `json:"source,omitempty"`    // file name of the source RPM
	License    string `json:"license,omitempty"`
	Key        string `json:"key,omitempty"` // fingerprint of the key that signed it, lower-case hex; empty if unsigned
}

// NEVRA is NAME-[EPOCH:]VERSION-RELEASE.ARCH.
func (p Package) NEVRA() string {
	if p.Epoch != 0 {
		return fmt.Sprintf("%s-%d:%s-%s.%s", p.Name, p.Epoch, p.Version, p.Release, p.Arch)
	}
	return fmt.Sprintf("%s-%s-%s.%s", p.Name, p.Version, p.Release, p.Arch)
}

// Filesystem is one file system of the disk.
type Filesystem struct {
	Partition int    `json:"partition"` // counts from 1
	Type      string `json:"type"`      // "ext4", "xfs", "btrfs", "vfat", "swap"
	UUID      string `json:"uuid"`
	Label     string `json:"label,omitempty"`
	Mount     string `json:"mount,omitempty"`
	Size      int64  `json:"size"` // bytes
	Used      int64  `json:"used"` // bytes that the image file holds for it
}

// Artifact is a file that belongs to the image.
type Artifact struct {
	Path               string `json:"path"`                          // relative to the folder
	Format             string `json:"format"`                        // as img-convert --to names it, or "lock", "packages", "spdx"
	MediaType          string `json:"media_type,omitempty"`          // IANA's, or the field's usual one
	Size               int64  `json:"size"`                          // of the file, bytes
	VirtualSize        int64  `json:"virtual_size,omitempty"`        // of the disk in it, bytes
	SHA256             string `json:"sha256,omitempty"`              // of the file, hex; missing from a raw disk that was just made, see docs/decisions.md
	UncompressedSHA256 string `json:"uncompressed_sha256,omitempty"` // of the raw disk in it, hex
}

// Test is one run of an image's smoke test.
type Test struct {
	Artifact    string   `json:"artifact"`    // path of the artifact that was booted
	SHA256      string   `json:"sha256"`      // of that artifact, hex
	Firmware    string   `json:"firmware"`    // "bios" or "uefi"
	Accelerator string   `json:"accelerator"` // "kvm", "tcg"
	Machine     string   `json:"machine"`     // the emulator and its version
	Passed      bool     `json:"passed"`
	Cause       string   `json:"cause,omitempty"`   // why it failed, in a sentence
	Code        string   `json:"code,omitempty"`    // the cause's name, such as "root-not-found"; docs/smoke.md lists them
	Seconds     float64  `json:"seconds"`           // from power-on to the verdict
	Retries     []string `json:"retries,omitempty"` // why the image was booted again before there was a verdict, in a sentence each
	Results     []Result `json:"results"`
	Bundle      string   `json:"bundle,omitempty"` // folder with what a failed run left, relative to the image's folder
}

// Result is the outcome of one check within a Test.
type Result struct {
	Name     string  `json:"name"`
	Severity string  `json:"severity"` // "error": the image fails with it; "warning": it does not
	Outcome  string  `json:"outcome"`  // "passed", "failed", "skipped"
	Message  string  `json:"message,omitempty"`
	Seconds  float64 `json:"seconds"`
}

// Publication is one place where the image can be had.
type Publication struct {
	Kind        string `json:"kind"`        // "ami", "oci", "mirror"
	Destination string `json:"destination"` // region, registry or URL
	Reference   string `json:"reference"`   // AMI id, image reference or path
	Artifact    string `json:"artifact"`    // path of the artifact that was published
	SHA256      string `json:"sha256"`      // of that artifact, hex
	Digest      string `json:"digest,omitempty"`
}

// Path returns where a path of the manifest is, seen from the working folder.
func (m *Manifest) Path(path string) string {
	return filepath.Join(m.Folder, filepath.FromSlash(path))
}

// Artifact returns the first artifact of a format, nil if there is none.
func (m *Manifest) Artifact(format string) *Artifact {
	for i := range m.Artifacts {
		if m.Artifacts[i].Format == format {
			return &m.Artifacts[i]
		}
	}
	return nil
}

// SetArtifact adds an artifact, or replaces the one with its path.
func (m *Manifest) SetArtifact(a Artifact) {
	for i := range m.Artifacts {
		if m.Artifacts[i].Path == a.Path {
			m.Artifacts[i] = a
			return
		}
	}
	m.Artifacts = append(m.Artifacts, a)
}
