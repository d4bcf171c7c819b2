package release

import (
	"errors"
	"fmt"
	"slices"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
)

// Verify holds an image that was built again to the record: it must be one of
// the release, come from the same kickstart and lock, and each artifact that
// the record has as well must have the same bytes. At least one must be there.
func (r *Record) Verify(m *manifest.Manifest) error {
	at := slices.IndexFunc(r.Images, func(i Recorded) bool { return i.Image.ID() == m.Image.ID() })
	if at < 0 {
		return fmt.Errorf("the release %q does not have it", r.Batch)
	}
	want, kickstart := r.Images[at], ""
	if m.Kickstart != nil {
		kickstart = m.Kickstart.Digest
	}
	switch {
	case m.Build == nil:
		return hint.Wrap(errors.New("it has not been built"), "pass it through img-build --locked %s first", want.Lock)
	case kickstart != want.Kickstart:
		return hint.Wrap(errors.New("its kickstart is not the one that was tested"), "it changed after the release was proposed: let it be proposed again")
	case m.Build.Lock != want.Digest:
		return hint.Wrap(fmt.Errorf("it was built from the lock %s, and the one that was tested is %s", m.Build.Lock, want.Digest), "build it with img-build --locked %s", want.Lock)
	}
	same := 0
	for _, a := range m.Artifacts {
		i := slices.IndexFunc(want.Artifacts, func(w manifest.Artifact) bool { return w.Path == a.Path && w.SHA256 != "" })
		if i < 0 || a.SHA256 == "" {
			continue
		}
		if w := want.Artifacts[i]; w.SHA256 != a.SHA256 {
			return hint.Wrap(fmt.Errorf("%s is sha256:%s, and the one that was tested is sha256:%s", a.Path, a.SHA256, w.SHA256), "build and convert it with the version of respin that tested it")
		}
		same++
	}
	if same == 0 {
		return hint.Wrap(errors.New("it has no file that was tested"), "convert it to the formats that the spec has, as the test did")
	}
	return nil
}
