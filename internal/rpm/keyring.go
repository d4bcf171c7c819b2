package rpm

import (
	"errors"
	"time"
)

// A Keyring is a set of OpenPGP keys that are trusted to sign. The zero
// Keyring trusts nobody. After the last Add it may be used by several goroutines.
type Keyring struct {
	keys []*Key
}

// A Key is an OpenPGP certificate: a primary key with its subkeys.
type Key struct {
	Fingerprint string // of the primary key, lower-case hex: 40 digits (v4) or 64 (v6)
	UserID      string // the primary user's name, for messages; may be empty
	Created     time.Time
	Armored     []byte // as given in armor, for the distribution's own rpm; one block
}

// Add trusts the keys in data, armored or binary, one or several.
//
// fingerprints, if any, pins them: each key must have one of these as the
// fingerprint of its primary key (hex, spaces and case ignored), and each fingerprint must
// be there; a key that was not asked for is left out. A pinned fingerprint that
// data lacks is an error, as is data without a usable key: one that can sign, with valid
// self-signatures, neither expired nor revoked, and strong enough.
func (k *Keyring) Add(data []byte, fingerprints ...string) error { return errors.ErrUnsupported }

// Keys returns the keys, sorted by fingerprint.
func (k *Keyring) Keys() []*Key { return nil }

// Merge returns a keyring that trusts whom any of the keyrings trusts. nil ones are skipped.
func Merge(keyrings ...*Keyring) *Keyring { return nil }

// Digest names the set of keys, in hex: equal for equal sets.
func (k *Keyring) Digest() string { return "" }

// VerifyDetached checks a detached signature, armored or binary, of data, such as repomd.xml.asc.
// The error is a *SignatureError.
func (k *Keyring) VerifyDetached(data, signature []byte) (*Signer, error) {
	return nil, errors.ErrUnsupported
}
