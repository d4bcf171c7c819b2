package rpm

import (
	"errors"
	"io"
	"time"
)

// A Signer is who signed something.
type Signer struct {
	Fingerprint string // of the primary key, lower-case hex, as pinned
	Subkey      string // fingerprint of the subkey that signed, if it was not the primary key
	UserID      string // for messages; may be empty
	Time        time.Time
}

// Problem is what is wrong with a signature or digest.
type Problem int

const (
	Unsigned     Problem = iota + 1 // there is no signature that covers header and payload
	NoKey                           // it is signed, by none of the keyring's keys
	BadSignature                    // a signature does not match, or its key may not sign
	BadDigest                       // the bytes are not those that were signed
	Weak                            // signed with an algorithm or key that no longer proves anything
)

// A SignatureError says why something is not trusted.
type SignatureError struct {
	Name    string // what it is: a package's NEVRA; "" for a detached signature
	Problem Problem
	KeyID   string // 16 hex digits, of the key that the signature names; empty if unknown
	Err     error  // details; never nil
}

// Error names the package, the problem and the key id.
func (e *SignatureError) Error() string { return e.Err.Error() }
func (e *SignatureError) Unwrap() error { return e.Err }

// Verify reads a package to its end and decides whether it can be trusted, as
// rpm does at its verification level "all": header and payload digests must
// match, and a key of the keyring must have signed the header, which
// holds the payload's digest. With a nil keyring only the digests are checked,
// and the Signer is nil.
//
// What comes back describes exactly the bytes that were verified. The error is
// a *SignatureError, a *FormatError, or what reading r gave.
func Verify(r io.Reader, keyring *Keyring) (*Package, *Signer, error) {
	return nil, nil, errors.ErrUnsupported
}
