package rpm

import (
	"context"
	"errors"

	"github.com/respin-project/respin/internal/report"
)

// Extract unpacks packages, which ReadFile read, into the folder root.
//
// Nothing outside root is touched, whatever the packages or symbolic links in
// root say: links are followed as if root were "/". The packages' headers are the authority for names, owners, modes and
// targets, their payloads for content, which must have the header's digests; a payload that does
// not agree is an error. Files that exist are replaced, folders and links to
// folders stay. Ghost files are not created. No script runs.
//
// The result does not depend on the order of packages nor on timing: all
// folders and symbolic links are made first. If two packages hold the same
// path with different content, the error is a *ConflictError and nothing was
// unpacked (of two ELF files that of the larger word size wins, as in rpm). After another error root
// holds some of the files.
//
// The packages must have been verified before: Extract trusts their headers.
func Extract(ctx context.Context, root string, packages []*Package, o Options) error {
	return errors.ErrUnsupported
}

// Options says how Extract sets what only root can set, and what it leaves out.
type Options struct {
	// Owner returns the uid and gid of an owner's names. nil leaves everything
	// to the caller (with set-uid and set-gid bits dropped), as for a
	// buildroot that an ordinary user unpacks. See RootOwner and [LookupOwner].
	Owner func(user, group string) (uid, gid int, err error)

	Capabilities bool           // set file capabilities; needs privileges
	SkipDevices  bool           // leave device nodes out; without it they are an error
	SkipDocs     bool           // leave out what is marked as documentation
	Parallel     int            // packages at a time, 0: as many as there are processors
	Report       *report.Report // progress in bytes; nil is silent
}

// RootOwner gives everything to uid 0 and gid 0.
func RootOwner(user, group string) (uid, gid int, err error) { return 0, 0, nil }

// LookupOwner returns a function that looks names up in passwd and group files with
// the given contents; unknown names are uid or gid 0, as rpm has it.
func LookupOwner(passwd, group []byte) func(user, group string) (uid, gid int, err error) {
	return RootOwner
}

// A ConflictError says that two packages hold different things under one path.
type ConflictError struct {
	Path string
	A, B NEVRA // sorted
}

func (e *ConflictError) Error() string {
	return "file " + e.Path + " of " + e.A.String() + " conflicts with that of " + e.B.String()
}
