package spec

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/manifest"
)

const defaultImageRelease = "0"

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~^-]*$`)

// spec checks a document and turns it into the form the rest of the program uses.
func (r *reading) spec(d *document) *Spec {
	s := &Spec{
		Name: d.Name, Summary: d.Summary, File: r.path, ImageRelease: cmp.Or(string(d.ImageRelease), defaultImageRelease), Vars: d.Vars,
		said: &manifest.Spec{
			Path: r.folder, UseCases: d.UseCases, Koji: r.koji(d.Koji), Formats: d.Formats, Publish: d.Publish,
			Budget: r.budget(d.Budget), Scripts: r.scripts(d.Scripts), Smoke: r.smoke(d.Smoke),
		},
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
	release := Release{Version: string(d.Version), Arches: d.Arches, Vars: d.Vars, keys: slices.Concat(keys, r.keys(at+".keys", d.Keys))}
	r.name(at+".version", "version", release.Version)
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

// koji checks the address of a build system. Nothing but the network is asked: a spec may be anybody's.
func (r *reading) koji(address *string) *string {
	if address == nil || *address == "" {
		return address
	}
	if u, err := url.Parse(*address); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		r.fail("$.koji", "%q is no URL: write it like https://kojipkgs.fedoraproject.org/packages/, or \"\" for none", *address)
	}
	return address
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
