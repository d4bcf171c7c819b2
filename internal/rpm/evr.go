package rpm

import "errors"

// EVR is the version of a package: [EPOCH:]VERSION[-RELEASE].
type EVR struct {
	Epoch   int
	Version string
	Release string // empty in a dependency means any
}

// ParseEVR reads what String writes.
func ParseEVR(s string) (EVR, error) { return EVR{}, errors.ErrUnsupported }

// String is [EPOCH:]VERSION[-RELEASE], without an epoch of 0.
func (e EVR) String() string { return "" }

// Compare returns -1, 0 or 1 as e is older than, the same as, or newer than o,
// as rpm orders packages: epoch, then version, then release.
func (e EVR) Compare(o EVR) int { return 0 }

// CompareVersions orders two version or release strings as rpm's rpmvercmp
// does, with its tilde (older than nothing) and caret (newer than nothing, older than a further segment).
func CompareVersions(a, b string) int { return 0 }

// NEVRA is the full name of a package.
type NEVRA struct {
	Name string
	EVR
	Arch string
}

// ParseNEVRA reads NAME-[EPOCH:]VERSION-RELEASE.ARCH; an ending ".rpm" is dropped.
func ParseNEVRA(s string) (NEVRA, error) { return NEVRA{}, errors.ErrUnsupported }

// String is NAME-[EPOCH:]VERSION-RELEASE.ARCH, without an epoch of 0.
func (n NEVRA) String() string { return "" }

// FileName is the usual name of the package's file: without the epoch, with ".rpm".
func (n NEVRA) FileName() string { return "" }
