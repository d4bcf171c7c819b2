package rpm

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// EVR is the version of a package: [EPOCH:]VERSION[-RELEASE].
type EVR struct {
	Epoch   int
	Version string
	Release string // empty in a dependency means any
}

// ParseEVR reads what String writes.
func ParseEVR(s string) (EVR, error) {
	var e EVR
	rest := s
	if epoch, after, ok := strings.Cut(s, ":"); ok {
		n, err := strconv.ParseUint(epoch, 10, 31)
		if err != nil {
			return EVR{}, fmt.Errorf("%q is no version: its epoch must be a number", s)
		}
		e.Epoch, rest = int(n), after
	}
	e.Version = rest
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		e.Version, e.Release = rest[:i], rest[i+1:]
		if e.Release == "" {
			return EVR{}, fmt.Errorf("%q is no version: nothing follows its dash", s)
		}
	}
	if e.Version == "" {
		return EVR{}, fmt.Errorf("%q is no version", s)
	}
	return e, nil
}

// String is [EPOCH:]VERSION[-RELEASE], without an epoch of 0.
func (e EVR) String() string {
	s := e.Version
	if e.Epoch != 0 {
		s = strconv.Itoa(e.Epoch) + ":" + s
	}
	if e.Release != "" {
		s += "-" + e.Release
	}
	return s
}

// Compare returns -1, 0 or 1 as e is older than, the same as, or newer than o,
// as rpm orders packages: by epoch, then version, then release.
func (e EVR) Compare(o EVR) int {
	return cmp.Or(cmp.Compare(e.Epoch, o.Epoch), CompareVersions(e.Version, o.Version), CompareVersions(e.Release, o.Release))
}

// CompareVersions orders two version or release strings as rpm does: segments
// of digits and of letters one by one, with "~" before and "^" after the end.
// See https://rpm.org/docs/latest/manual/dependencies.html.
func CompareVersions(a, b string) int {
	for a != b {
		a, b = strings.TrimLeftFunc(a, isSeparator), strings.TrimLeftFunc(b, isSeparator)
		if tildeA, tildeB := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~"); tildeA || tildeB {
			if tildeA != tildeB {
				return sign(tildeB)
			}
			a, b = a[1:], b[1:]
			continue
		}
		if caretA, caretB := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^"); caretA || caretB {
			switch {
			case a == "" || b == "":
				return sign(b == "")
			case caretA != caretB:
				return sign(caretB)
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		kind := isLetter
		if isDigit(rune(a[0])) {
			kind = isDigit
		}
		var segmentA, segmentB string
		segmentA, a = split(a, kind)
		segmentB, b = split(b, kind)
		if segmentB == "" { // digits are newer than letters
			return sign(isDigit(rune(segmentA[0])))
		}
		if isDigit(rune(segmentA[0])) {
			segmentA, segmentB = strings.TrimLeft(segmentA, "0"), strings.TrimLeft(segmentB, "0")
			if c := cmp.Compare(len(segmentA), len(segmentB)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(segmentA, segmentB); c != 0 {
			return c
		}
	}
	return 0
}

// sign is 1 if the first of two versions is newer, else -1.
func sign(newer bool) int {
	if newer {
		return 1
	}
	return -1
}

func isDigit(c rune) bool     { return '0' <= c && c <= '9' }
func isLetter(c rune) bool    { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isSeparator(c rune) bool { return !isDigit(c) && !isLetter(c) && c != '~' && c != '^' }

// split cuts the segment of one kind from the beginning of s.
func split(s string, kind func(rune) bool) (segment, rest string) {
	i := strings.IndexFunc(s, func(c rune) bool { return !kind(c) })
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:]
}

// NEVRA is the full name of a package.
type NEVRA struct {
	Name string
	EVR
	Arch string
}

// ParseNEVRA reads NAME-[EPOCH:]VERSION-RELEASE.ARCH; an ending ".rpm" is dropped.
func ParseNEVRA(s string) (NEVRA, error) {
	bad := fmt.Errorf("%q is no package: write it like NAME-[EPOCH:]VERSION-RELEASE.ARCH", s)
	rest := strings.TrimSuffix(s, ".rpm")
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 {
		return NEVRA{}, bad
	}
	n := NEVRA{Arch: rest[dot+1:]}
	rest = rest[:dot]
	release := strings.LastIndexByte(rest, '-')
	version := strings.LastIndexByte(rest[:max(release, 0)], '-')
	if version < 1 {
		return NEVRA{}, bad
	}
	n.Name = rest[:version]
	evr, err := ParseEVR(rest[version+1:])
	if err != nil || evr.Release == "" || n.Arch == "" {
		return NEVRA{}, bad
	}
	n.EVR = evr
	return n, nil
}

// String is NAME-[EPOCH:]VERSION-RELEASE.ARCH, without an epoch of 0.
func (n NEVRA) String() string { return n.Name + "-" + n.EVR.String() + "." + n.Arch }

// FileName is the usual name of the package's file: without the epoch, with ".rpm".
func (n NEVRA) FileName() string {
	return n.Name + "-" + n.Version + "-" + n.Release + "." + n.Arch + ".rpm"
}

// Compare orders packages by name, then version, then architecture.
func (n NEVRA) Compare(o NEVRA) int {
	return cmp.Or(strings.Compare(n.Name, o.Name), n.EVR.Compare(o.EVR), strings.Compare(n.Arch, o.Arch))
}
