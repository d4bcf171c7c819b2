package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/near"
)

const (
	defaultImageRelease = "0"
	maxSize             = 1 << 20 // bytes of an image.yaml
)

// document is an image.yaml as it is written.
type document struct {
	Name         string            `yaml:"name"`
	Summary      string            `yaml:"summary"`
	UseCases     []string          `yaml:"use-cases"`
	Kickstart    string            `yaml:"kickstart"`
	ImageRelease string            `yaml:"image-release"`
	Releases     []releaseDocument `yaml:"releases"`
	Arches       []string          `yaml:"arches"`
	Vars         map[string]any    `yaml:"vars"`
	Keys         []keyDocument     `yaml:"keys"`
	Formats      []string          `yaml:"formats"`
	Budget       map[string]string `yaml:"budget"`
	Scripts      scriptsDocument   `yaml:"scripts"`
	Smoke        smokeDocument     `yaml:"smoke"`
	Publish      map[string]any    `yaml:"publish"`
}

type releaseDocument struct {
	Version string         `yaml:"version"`
	Syntax  string         `yaml:"syntax"`
	Arches  []string       `yaml:"arches"`
	Vars    map[string]any `yaml:"vars"`
	Keys    []keyDocument  `yaml:"keys"`
}

type keyDocument struct {
	URL          string   `yaml:"url"`
	File         string   `yaml:"file"`
	Fingerprint  string   `yaml:"fingerprint"`
	Repositories []string `yaml:"repositories"`
}

type scriptsDocument struct {
	Network bool   `yaml:"network"`
	Space   string `yaml:"space"`
	Timeout string `yaml:"timeout"`
}

type smokeDocument struct {
	User     string         `yaml:"user"`
	Firmware []string       `yaml:"firmware"`
	Memory   string         `yaml:"memory"`
	Tests    []testDocument `yaml:"tests"`
	Skip     []string       `yaml:"skip"`
}

type testDocument struct {
	Name     string `yaml:"name"`
	Command  string `yaml:"command"`
	Exit     int    `yaml:"exit"`
	Stdout   string `yaml:"stdout"`
	Timeout  string `yaml:"timeout"`
	Severity string `yaml:"severity"`
}

// A reading is one image.yaml while it is checked. Errors carry the place of
// what they are about.
type reading struct {
	path   string
	folder string
	file   *ast.File
	errs   []error
}

// fail reports what is wrong with the value at a YAML path, such as "$.releases[0]".
func (r *reading) fail(at, format string, args ...any) {
	r.errs = append(r.errs, &kickstart.Diagnostic{At: r.place(at), Message: fmt.Sprintf(format, args...)})
}

// place finds a value, or the nearest one around it.
func (r *reading) place(at string) kickstart.Place {
	for ; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		path, err := yaml.PathString(at)
		if err != nil {
			continue
		}
		if node, err := path.FilterFile(r.file); err == nil && node != nil && node.GetToken() != nil {
			p := node.GetToken().Position
			return kickstart.Place{File: r.path, Line: p.Line, Column: p.Column}
		}
	}
	return kickstart.Place{File: r.path}
}

// parse reads the text of the spec at path and reports all that is wrong with it.
func parse(path string, data []byte) (*Spec, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s is longer than %d MiB", path, maxSize>>20)
	}
	var d document
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&d); err == io.EOF {
		return nil, &kickstart.Diagnostic{At: kickstart.Place{File: path}, Message: "is empty"}
	} else if err != nil {
		return nil, yamlError(path, err)
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, yamlError(path, err)
	}
	r := &reading{path: path, folder: filepath.Dir(path), file: file}
	s := r.spec(&d)
	return s, errors.Join(r.errs...)
}

// yamlError gives an error of the YAML library its place in the file.
func yamlError(path string, err error) error {
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p := located.GetToken().Position
	d := &kickstart.Diagnostic{At: kickstart.Place{File: path, Line: p.Line, Column: p.Column}, Message: located.GetMessage()}
	if name, ok := strings.CutPrefix(d.Message, "unknown field "); ok {
		if meant, ok := near.Name(strings.Trim(name, `"`), fieldNames(reflect.TypeFor[document]())); ok {
			d.Message += ": did you mean " + meant + "?"
		}
	}
	return d
}

// fieldNames returns the names of all fields that a spec can have.
func fieldNames(t reflect.Type) []string {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for f := range t.Fields() {
		names = append(append(names, f.Tag.Get("yaml")), fieldNames(f.Type)...)
	}
	return names
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~^-]*$`)

// spec checks a document and turns it into the form the rest of the program uses.
func (r *reading) spec(d *document) *Spec {
	s := &Spec{
		Name: d.Name, Summary: d.Summary, ImageRelease: d.ImageRelease, Vars: d.Vars,
		said: &manifest.Spec{
			Path: r.folder, UseCases: d.UseCases, Formats: d.Formats, Publish: d.Publish,
			Budget: r.budget(d.Budget), Scripts: r.scripts(d.Scripts), Smoke: r.smoke(d.Smoke),
		},
	}
	if s.ImageRelease == "" {
		s.ImageRelease = defaultImageRelease
	}
	r.name("$.name", "name", d.Name)
	r.name("$.image-release", "image-release", s.ImageRelease)
	r.vars("$.vars", d.Vars)
	s.Kickstart = r.kickstart(d)
	keys := r.keys("$.keys", d.Keys)
	if len(d.Releases) == 0 {
		r.fail("$", "releases is missing: a spec needs one at least")
	}
	for i, rd := range d.Releases {
		s.Releases = append(s.Releases, r.release(fmt.Sprintf("$.releases[%d]", i), rd, d.Arches, keys))
	}
	return s
}

func (r *reading) name(at, field, value string) {
	if value == "" {
		r.fail(at, "%s is missing", field)
	} else if !namePattern.MatchString(value) {
		r.fail(at, "%s: %q may hold letters, digits and . _ + ~ ^ - only, and must begin with a letter or digit", field, value)
	}
}

// kickstart returns the path of the image's kickstart; by default it is
// called like the image.
func (r *reading) kickstart(d *document) string {
	if d.Kickstart != "" {
		return filepath.Join(r.folder, d.Kickstart)
	}
	for _, extension := range []string{".ks", ".ks.tmpl"} {
		path := filepath.Join(r.folder, d.Name+extension)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	r.fail("$.name", "there is no %s.ks and no %s.ks.tmpl beside the spec, and it names no kickstart", d.Name, d.Name)
	return ""
}

func (r *reading) release(at string, d releaseDocument, arches []string, keys []manifest.Key) Release {
	release := Release{Version: d.Version, Arches: d.Arches, Vars: d.Vars, keys: slices.Concat(keys, r.keys(at+".keys", d.Keys))}
	r.name(at+".version", "version", d.Version)
	r.vars(at+".vars", d.Vars)
	if d.Arches == nil {
		release.Arches = arches
	}
	if len(release.Arches) == 0 {
		r.fail(at, "arches is missing, for this release and for the spec")
	}
	for _, arch := range release.Arches {
		r.name(at+".arches", "arches", arch)
	}
	if d.Syntax != "" {
		var err error
		if release.Syntax, err = kickstart.ParseSyntax(d.Syntax); err != nil {
			r.fail(at+".syntax", "%v", err)
		}
	}
	return release
}

var fingerprintPattern = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

func (r *reading) keys(at string, documents []keyDocument) []manifest.Key {
	var keys []manifest.Key
	for i, d := range documents {
		at := fmt.Sprintf("%s[%d]", at, i)
		key := manifest.Key{URL: d.URL, Repositories: d.Repositories}
		key.Fingerprint = strings.ToLower(strings.Join(strings.Fields(d.Fingerprint), ""))
		if d.File != "" {
			key.URL = filepath.Join(r.folder, d.File)
		}
		if (d.URL == "") == (d.File == "") {
			r.fail(at, "a key needs one of url and file")
		}
		if !fingerprintPattern.MatchString(key.Fingerprint) {
			r.fail(at+".fingerprint", "a key needs its whole fingerprint, 40 hexadecimal digits, or 64 for version 6 keys")
		}
		keys = append(keys, key)
	}
	return keys
}

func (r *reading) budget(d map[string]string) map[string]int64 {
	var budget map[string]int64
	for format, value := range d {
		if budget == nil {
			budget = map[string]int64{}
		}
		budget[format] = r.size("$.budget."+format, value)
	}
	return budget
}

func (r *reading) size(at, value string) int64 {
	if value == "" {
		return 0
	}
	n, err := ParseSize(value)
	if err != nil {
		r.fail(at, "%v", err)
	}
	return n
}

func (r *reading) duration(at, value string) manifest.Duration {
	if value == "" {
		return 0
	}
	n, err := time.ParseDuration(value)
	if err != nil || n <= 0 {
		r.fail(at, "%q is no duration: write it like 90s or 5m", value)
	}
	return manifest.Duration(n)
}

func (r *reading) scripts(d scriptsDocument) manifest.Scripts {
	return manifest.Scripts{
		Network: d.Network,
		Space:   r.size("$.scripts.space", d.Space),
		Timeout: r.duration("$.scripts.timeout", d.Timeout),
	}
}

func (r *reading) smoke(d smokeDocument) manifest.Smoke {
	smoke := manifest.Smoke{User: d.User, Firmware: d.Firmware, Skip: d.Skip, Memory: r.size("$.smoke.memory", d.Memory)}
	for i, f := range d.Firmware {
		if f != "bios" && f != "uefi" {
			r.fail(fmt.Sprintf("$.smoke.firmware[%d]", i), "firmware cannot be %q, only bios and uefi", f)
		}
	}
	seen := map[string]bool{}
	for i, t := range d.Tests {
		at := fmt.Sprintf("$.smoke.tests[%d]", i)
		switch {
		case t.Name == "" || t.Command == "":
			r.fail(at, "a test needs a name and a command")
		case seen[t.Name]:
			r.fail(at+".name", "there is another test called %q", t.Name)
		}
		seen[t.Name] = true
		if _, err := regexp.Compile(t.Stdout); err != nil {
			r.fail(at+".stdout", "stdout is no regular expression: %v", err)
		}
		if t.Severity != "" && t.Severity != "error" && t.Severity != "warning" {
			r.fail(at+".severity", "severity cannot be %q, only error and warning", t.Severity)
		}
		smoke.Tests = append(smoke.Tests, manifest.SmokeTest{
			Name: t.Name, Command: t.Command, Exit: t.Exit, Stdout: t.Stdout, Severity: t.Severity,
			Timeout: r.duration(at+".timeout", t.Timeout),
		})
	}
	return smoke
}
