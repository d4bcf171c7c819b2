// Package rpm reads RPM packages: it verifies who made them, and unpacks them,
// without rpm and without believing a byte that was not verified.
//
// The format is that of https://rpm.org/docs/latest/manual/format_v4.html and
// format_v6.html: a lead, a signature header, a header, and a compressed cpio archive.
package rpm

import (
	"errors"
	"io"
)

// A Package is what a package file says about itself, before its payload.
// It is not modified after reading and may be used by several goroutines.
type Package struct {
	// Path is the file it was read from by ReadFile, empty after Read.
	Path string

	Signature *Header // the signature header: digests and signatures of what follows
	Header    *Header // the header proper, which the signatures cover
}

// Read reads the beginning of a package and leaves r at its payload.
// Nothing is verified but that the format is sound: see Verify.
// Malformed input gives a *FormatError. At most a few times the bytes read are allocated, whatever they claim.
func Read(r io.Reader) (*Package, error) { return nil, errors.ErrUnsupported }

// ReadFile reads the beginning of the package file at path.
func ReadFile(path string) (*Package, error) { return nil, errors.ErrUnsupported }

// NEVRA is the package's full name. A source package has the architecture "src" or "nosrc".
func (p *Package) NEVRA() NEVRA { return NEVRA{} }

// Files returns what the header says of each file of the package, in the header's order.
func (p *Package) Files() ([]File, error) { return nil, errors.ErrUnsupported }

// Payload returns the uncompressed payload, a cpio archive, of a package that
// Read left r at.
func (p *Package) Payload(r io.Reader) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

// A File is one entry of a package's file list.
type File struct {
	Path   string // absolute and clean
	Mode   uint32 // as in struct stat: type and permissions
	User   string
	Group  string
	Size   int64  // bytes, of a regular file
	MTime  int64  // seconds since 1970
	Flags  uint32 // FlagGhost and so on
	Link   string // target of a symbolic link
	Digest string // hex, of a regular file's content; empty if there is none
	Rdev   uint16 // of a device
	Inode  uint32 // regular files with the same Inode and Device are hard links of each other
	Device uint32
	Caps   string // file capabilities in the text form of cap_to_text(3), empty for none
	Color  uint32 // 1: 32-bit ELF, 2: 64-bit ELF, 0: neither
	Lang   string // locale that it belongs to, empty for none
}

// Flags of a File that matter here; rpm has more.
const (
	FlagConfig    = 1 << 0
	FlagDoc       = 1 << 1
	FlagMissingOK = 1 << 3
	FlagNoReplace = 1 << 4
	FlagGhost     = 1 << 6 // belongs to the package but is not in it
)

// A FormatError says that a file is no sound RPM package.
type FormatError struct {
	Part string // "lead", "signature", "header", "payload", "file list"
	Err  error
}

func (e *FormatError) Error() string { return "malformed package: " + e.Part + ": " + e.Err.Error() }
func (e *FormatError) Unwrap() error { return e.Err }
