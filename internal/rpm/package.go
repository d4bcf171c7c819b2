// Package rpm reads RPM packages: it verifies who made them, and unpacks them,
// without rpm and without believing a byte that was not verified.
//
// The format is that of https://rpm.org/docs/latest/manual/format_v4.html and
// format_v6.html: a lead, a signature header, a header, and a compressed cpio archive.
package rpm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/respin-project/respin/internal/compression"
)

// A Package is what a package file says about itself, before its payload.
// It is not modified after reading and may be used by several goroutines.
type Package struct {
	// Path is the file that it was read from by ReadFile. After Read and Verify
	// it is empty; who knows the file can set it.
	Path string

	Signature *Header // the signature header: digests and signatures of what follows
	Header    *Header // the header proper, which the signatures cover

	payload int64 // offset of the payload in the file
}

const leadSize = 96

var leadMagic = []byte{0xed, 0xab, 0xee, 0xdb}

// Read reads the beginning of a package and leaves r at its payload.
// Nothing is verified but that the format is sound: see Verify.
// Malformed input gives a *FormatError. What is allocated is in proportion to
// the bytes that were read, whatever they claim.
func Read(r io.Reader) (*Package, error) {
	var lead [leadSize]byte
	if _, err := io.ReadFull(r, lead[:]); err != nil {
		return nil, malformed("lead", cut(err))
	}
	switch major, signature := lead[4], int(lead[78])<<8|int(lead[79]); {
	case !bytes.HasPrefix(lead[:], leadMagic):
		return nil, malformed("lead", errors.New("is not an RPM package"))
	case major < 3 || major > 4:
		return nil, malformed("lead", fmt.Errorf("package format %d is not supported", major))
	case signature != 5:
		return nil, malformed("lead", fmt.Errorf("signature type %d is not supported", signature))
	}
	p := &Package{}
	var err error
	if p.Signature, err = readHeader(r, signatureLimits); err != nil {
		return nil, err
	}
	padding := -len(p.Signature.blob) & 7
	if _, err := io.CopyN(io.Discard, r, int64(padding)); err != nil {
		return nil, malformed("signature", cut(err))
	}
	if p.Header, err = readHeader(r, headerLimits); err != nil {
		return nil, err
	}
	p.payload = int64(leadSize + len(p.Signature.blob) + padding + len(p.Header.blob))
	return p, p.checkName()
}

// ReadFile reads the beginning of the package file at path.
func ReadFile(path string) (*Package, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := Read(bufio.NewReaderSize(f, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	p.Path = path
	return p, nil
}

// checkName makes sure that the package has a name that can be shown and be
// part of a file's name.
func (p *Package) checkName() error {
	n := p.NEVRA()
	for _, part := range []string{n.Name, n.Version, n.Release, n.Arch} {
		odd := strings.ContainsFunc(part, func(c rune) bool { return c <= ' ' || c > '~' || c == '/' })
		if part == "" || odd {
			return malformed("header", fmt.Errorf("%q is no package name", n.String()))
		}
	}
	return nil
}

// NEVRA is the package's full name. A source package has the architecture "src" or "nosrc".
func (p *Package) NEVRA() NEVRA {
	h := p.Header
	n := NEVRA{h.String(Name), EVR{int(h.Int(Epoch)), h.String(Version), h.String(Release)}, h.String(Arch)}
	if p.IsSource() {
		n.Arch = "src"
		if h.Has(tagNoSource) || h.Has(tagNoPatch) {
			n.Arch = "nosrc"
		}
	}
	return n
}

// IsSource reports whether it is a source package.
func (p *Package) IsSource() bool {
	return p.Header.Has(tagSourcePackage) || !p.Header.Has(SourceRPM)
}

// HeaderRange is where the header begins and ends in the file, in bytes.
func (p *Package) HeaderRange() (start, end int64) {
	return p.payload - int64(len(p.Header.blob)), p.payload
}

// Payload returns the uncompressed payload, a cpio archive, of a package that
// Read left r at. Close frees the decompressor; it does not close r.
//
// How it is compressed is told by its first bytes, as rpm permits a payload
// to be stored uncompressed later.
func (p *Package) Payload(r io.Reader) (io.ReadCloser, error) {
	plain, err := compression.NewReader(r)
	if err != nil {
		return nil, malformed("payload", cut(err))
	}
	return plain, nil
}

// A FormatError says that a file is no sound RPM package.
type FormatError struct {
	Part string // "lead", "signature", "header", "file list", "payload"
	Err  error
}

func (e *FormatError) Error() string { return "malformed package: " + e.Part + ": " + e.Err.Error() }
func (e *FormatError) Unwrap() error { return e.Err }

func malformed(part string, err error) error { return &FormatError{part, err} }

// cut turns the end of the input, which is always too early, into the error for that.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
