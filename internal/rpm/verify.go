package rpm

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"
)

// A Signer is who signed something.
type Signer struct {
	Fingerprint string    // of the primary key, lower-case hex, as pinned
	Subkey      string    // fingerprint of the subkey that signed, if it was not the primary key
	UserID      string    // for messages; may be empty
	Time        time.Time // when, by the signer's word
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

var problems = map[Problem]string{
	Unsigned: "is not signed", NoKey: "is signed by an unknown key", BadSignature: "has a bad signature",
	BadDigest: "is damaged", Weak: "has a signature that is too weak",
}

func (p Problem) String() string { return problems[p] }

// A SignatureError says why something is not trusted.
type SignatureError struct {
	Name    string // what it is: a package's NEVRA; "" for a detached signature
	Problem Problem
	KeyID   string // 16 hex digits, of the key that the signature names; empty if unknown
	Err     error  // details; never nil
}

// Error names the package, the problem and the key id.
func (e *SignatureError) Error() string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(e.Name + " " + e.Problem.String()))
	if e.KeyID != "" {
		fmt.Fprintf(&b, " (key id %s)", e.KeyID)
	}
	return b.String() + ": " + e.Err.Error()
}

func (e *SignatureError) Unwrap() error { return e.Err }

// Verify reads a package to its end and decides whether it can be trusted, as
// rpm does at its verification level "all": all digests of header and payload
// must match, and a key of the keyring must have signed the header, which
// holds the payload's digest, or, in packages too old for that, header and payload. With a
// nil keyring only the digests are checked, and the Signer is nil.
//
// One trusted signature suffices; others by unknown keys are passed over, but one
// by a trusted key that does not match is not. What comes back describes exactly
// the bytes that were verified. The error is a *SignatureError, a *FormatError, or what reading r gave.
func Verify(r io.Reader, keyring *Keyring) (*Package, *Signer, error) {
	p, err := Read(r)
	if err != nil {
		return nil, nil, err
	}
	v := newVerification(p)
	if _, err := io.Copy(v, r); err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", p.NEVRA(), err)
	}
	if err := v.digests(); err != nil {
		return nil, nil, &SignatureError{Name: p.NEVRA().String(), Problem: BadDigest, Err: err}
	}
	if keyring == nil {
		return p, nil, nil
	}
	signer, err := v.signer(keyring)
	if e, ok := errors.AsType[*SignatureError](err); ok {
		e.Name = p.NEVRA().String()
	}
	if err != nil {
		return nil, nil, err
	}
	return p, signer, nil
}

// verification is the state of Verify: what the package must be, and hashes of what it is.
type verification struct {
	*Package
	v6      bool     // the legacy tags, which rpm ignores there, mean nothing
	payload []digest // of the payload
	whole   []digest // of header and payload
	signed  []headerSignature
	hashes  []hash.Hash // what the payload is written to
}

// digest is a value that a hash must come to; any of several.
type digest struct {
	what string
	want []string // hex
	hash hash.Hash
}

// headerSignature is a signature of the header, or of header and payload.
type headerSignature struct {
	*signature
	hash  hash.Hash
	whole bool
	err   error // why it cannot be checked
}

func newVerification(p *Package) *verification {
	v := &verification{Package: p, v6: p.Signature.Has(sigReserved) && p.Signature.Has(sigSHA3)}
	add := func(list *[]digest, what string, h hash.Hash, want ...string) {
		*list = append(*list, digest{what, want, h})
		v.hashes = append(v.hashes, h)
	}
	// The digest of the uncompressed payload counts where the payload was
	// stored uncompressed after it was signed.
	for _, d := range []struct {
		what          string
		tag, tagPlain Tag
		hash          func() hash.Hash
	}{
		{"payload SHA-256", tagPayloadSHA256, tagPayloadSHA256A, sha256.New},
		{"payload SHA-512", tagPayloadSHA512, tagPayloadSHA512A, sha512.New},
		{"payload SHA3-256", tagPayloadSHA3, tagPayloadSHA3A, func() hash.Hash { return sha3.New256() }},
	} {
		if p.Header.Has(d.tag) || p.Header.Has(d.tagPlain) {
			add(&v.payload, d.what, d.hash(), p.Header.String(d.tag), p.Header.String(d.tagPlain))
		}
	}
	if want := p.Signature.Bytes(sigMD5); want != nil && !v.v6 {
		h := md5.New()
		h.Write(p.Header.blob)
		add(&v.whole, "MD5", h, hex.EncodeToString(want))
	}
	v.signatures()
	return v
}

// signatures collects the signatures. Where there are some of the new kind, the others do not count.
func (v *verification) signatures() {
	for _, text := range v.Signature.Strings(sigOpenPGP) {
		data, err := base64.StdEncoding.DecodeString(text)
		v.addSignature(data, false, err)
	}
	if len(v.signed) > 0 {
		return
	}
	for _, tag := range []Tag{sigRSA, sigDSA} {
		if data := v.Signature.Bytes(tag); data != nil {
			v.addSignature(data, false, nil)
		}
	}
	for _, tag := range []Tag{sigPGP, sigGPG} {
		if data := v.Signature.Bytes(tag); data != nil && !v.v6 {
			v.addSignature(data, true, nil)
		}
	}
}

func (v *verification) addSignature(data []byte, whole bool, err error) {
	s := headerSignature{whole: whole, err: err}
	if err == nil {
		s.signature, s.err = parseSignature(data)
	}
	if s.err == nil {
		s.hash, s.err = s.newHash()
	}
	if s.hash != nil {
		s.hash.Write(v.Header.blob)
		if whole {
			v.hashes = append(v.hashes, s.hash)
		}
	}
	v.signed = append(v.signed, s)
}

// Write takes the payload.
func (v *verification) Write(b []byte) (int, error) {
	for _, h := range v.hashes {
		h.Write(b)
	}
	return len(b), nil
}

// digests checks all digests, and that there are some of header and payload.
func (v *verification) digests() error {
	var header []digest
	for _, d := range []struct {
		what string
		tag  Tag
		hash func() hash.Hash
	}{
		{"header SHA3-256", sigSHA3, func() hash.Hash { return sha3.New256() }},
		{"header SHA-256", sigSHA256, sha256.New},
		{"header SHA-1", sigSHA1, sha1.New},
	} {
		if !v.Signature.Has(d.tag) {
			continue
		}
		h := d.hash()
		h.Write(v.Header.blob)
		header = append(header, digest{d.what, []string{v.Signature.String(d.tag)}, h})
	}
	for _, d := range slices.Concat(header, v.payload, v.whole) {
		if !d.matches() {
			return fmt.Errorf("its %s digest does not match", d.what)
		}
	}
	if len(header)+len(v.whole) == 0 || len(v.payload)+len(v.whole) == 0 {
		return errors.New("it has no digest of its header or payload")
	}
	return nil
}

func (d digest) matches() bool {
	sum := hex.EncodeToString(d.hash.Sum(nil))
	for _, want := range d.want {
		if strings.EqualFold(want, sum) {
			return true
		}
	}
	return false
}

// signer returns who signed header and payload. The error is a *SignatureError without a name.
func (v *verification) signer(keyring *Keyring) (*Signer, error) {
	var good *Signer
	var problem *SignatureError
	for _, s := range v.signed {
		signer, err := v.check(keyring, s)
		switch {
		case err == nil:
			good = signer
		case err.Problem == BadSignature:
			return nil, err
		case problem == nil || err.Problem > problem.Problem: // the one that says more
			problem = err
		}
	}
	switch {
	case good != nil:
		return good, nil
	case problem != nil:
		return nil, problem
	}
	return nil, &SignatureError{Problem: Unsigned, Err: errors.New("there is no signature")}
}

// check checks one signature.
func (v *verification) check(keyring *Keyring, s headerSignature) (*Signer, *SignatureError) {
	switch {
	case errors.Is(s.err, errWeakHash):
		return nil, &SignatureError{Problem: Weak, KeyID: keyID(s.keyID), Err: fmt.Errorf("%w: %v", s.err, s.signature.hash)}
	case s.err != nil:
		return nil, &SignatureError{Problem: Unsigned, Err: fmt.Errorf("what should be its signature %w", s.err)}
	}
	signer, err := keyring.verified(s.signature, s.hash)
	if e, ok := errors.AsType[*SignatureError](err); ok {
		return nil, e
	}
	if !s.whole && len(v.payload) == 0 {
		return nil, &SignatureError{Problem: Unsigned, KeyID: keyID(s.keyID), Err: errors.New("the signature covers its header only, which has no digest of its payload")}
	}
	return signer, nil
}
