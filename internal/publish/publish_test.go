package publish_test

import (
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/publish"
)

func TestTested(t *testing.T) {
	disk := manifest.Artifact{Path: "disk.raw", Format: "raw", SHA256: "aa"}
	good := manifest.Test{Artifact: "disk.raw", SHA256: "aa", Firmware: "uefi", Passed: true}
	bad := manifest.Test{Artifact: "disk.raw", SHA256: "aa", Firmware: "bios", Cause: "the kernel panicked"}
	old := manifest.Test{Artifact: "disk.raw", SHA256: "bb", Firmware: "uefi", Passed: true}
	both := &manifest.Spec{Smoke: manifest.Smoke{Firmware: []string{"uefi", "bios"}}}
	for _, tt := range []struct {
		name string
		m    manifest.Manifest
		want string // part of the error; empty for none
	}{
		{"passed", manifest.Manifest{Artifacts: []manifest.Artifact{disk}, Tests: []manifest.Test{good}}, ""},
		{"passed, no digest yet", manifest.Manifest{Artifacts: []manifest.Artifact{{Path: "disk.raw"}}, Tests: []manifest.Test{good}}, ""},
		{"missing", manifest.Manifest{Artifacts: []manifest.Artifact{disk}}, "it was not tested"},
		{"failed", manifest.Manifest{Artifacts: []manifest.Artifact{disk}, Tests: []manifest.Test{good, bad}}, "its test under bios failed: the kernel panicked"},
		{"of other bytes", manifest.Manifest{Artifacts: []manifest.Artifact{disk}, Tests: []manifest.Test{old}}, `"disk.raw" is not the file that was tested`},
		{"old and new", manifest.Manifest{Artifacts: []manifest.Artifact{disk}, Tests: []manifest.Test{old, good}}, ""},
		{"one firmware of two", manifest.Manifest{Spec: both, Artifacts: []manifest.Artifact{disk}, Tests: []manifest.Test{good}}, "not tested under bios, as its spec wants"},
	} {
		err := publish.Tested(&tt.m, false)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		case err != nil && len(hint.Of(err)) != 1:
			t.Errorf("%s: hints are %q", tt.name, hint.Of(err))
		}
		if release := publish.TestedForRelease(&tt.m, false); (release == nil) != (err == nil) ||
			err != nil && (strings.Replace(err.Error(), "not published", "not proposed", 1) != release.Error() || hint.Of(release)[0] != "img-smoke tests it; --allow-untested proposes it all the same") {
			t.Errorf("%s: for a release it is %v, %q", tt.name, release, hint.Of(release))
		}
		if err := publish.Tested(&tt.m, true); err != nil {
			t.Errorf("%s: refused although it is allowed: %v", tt.name, err)
		}
	}
}
