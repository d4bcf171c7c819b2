// Package publish holds what the commands that publish images have in common:
// the rule that nothing goes out that has not passed its tests.
package publish

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
)

// Tested returns an error unless the image of m may be published: it has been
// tested, no test failed, and a test that passed was of a file that is still
// among its artifacts, under each firmware that its spec names. With allow,
// which stands for the flag --allow-untested, every image may be.
func Tested(m *manifest.Manifest, allow bool) error {
	return held(m, allow, "published", "publishes")
}

// TestedForRelease is Tested for an image that is only proposed to be published.
func TestedForRelease(m *manifest.Manifest, allow bool) error {
	return held(m, allow, "proposed", "proposes")
}

// held holds an image to the rule; done and does are what is to be done with it.
func held(m *manifest.Manifest, allow bool, done, does string) error {
	if allow {
		return nil
	}
	if err := tested(m); err != nil {
		return hint.Wrap(fmt.Errorf("it is not %s because %w", done, err), "img-smoke tests it; --allow-untested %s it all the same", does)
	}
	return nil
}

func tested(m *manifest.Manifest) error {
	if len(m.Tests) == 0 {
		return errors.New("it was not tested")
	}
	var passed []string // the firmwares
	var other string    // an artifact of which a test knows other bytes
	for _, t := range m.Tests {
		switch {
		case !t.Passed:
			return fmt.Errorf("its test under %s failed: %s", t.Firmware, cmp.Or(t.Cause, "it does not say why"))
		case of(t, m.Artifacts):
			passed = append(passed, t.Firmware)
		default:
			other = t.Artifact
		}
	}
	if len(passed) == 0 {
		return fmt.Errorf("%q is not the file that was tested", other)
	}
	if m.Spec != nil {
		for _, firmware := range m.Spec.Smoke.Firmware {
			if !slices.Contains(passed, firmware) {
				return fmt.Errorf("it was not tested under %s, as its spec wants", firmware)
			}
		}
	}
	return nil
}

// of reports whether a test was of one of the artifacts, as it is now. Of a
// raw disk that was just made nobody has taken the digest.
func of(t manifest.Test, artifacts []manifest.Artifact) bool {
	return slices.ContainsFunc(artifacts, func(a manifest.Artifact) bool {
		return a.Path == t.Artifact && (a.SHA256 == t.SHA256 || a.SHA256 == "")
	})
}
