package rpm

import (
	"bytes"
	"crypto"
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // hashes that signatures may be made with
	_ "crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// minRSABits is the least length of an RSA key that is believed.
const minRSABits = 2048

// signature is an OpenPGP signature of a document, of any version that rpm
// packages are signed with.
type signature struct {
	packet *packet.Signature // version 4 and later
	old    *oldSignature     // version 3

	keyID uint64 // of the key that made it, as it says; 0 if it does not
	made  time.Time
	hash  crypto.Hash
}

// oldSignature is an RSA signature of version 3, which most Enterprise Linux
// packages are signed with; RFC 4880, section 5.2.2. The library reads later versions only.
type oldSignature struct {
	suffix [5]byte // hashed after the document: type and time
	tag    [2]byte // beginning of the hash
	rsa    []byte
}

// strong are the hashes that a signature may be made with, by their numbers in OpenPGP.
var strong = map[crypto.Hash]bool{crypto.SHA256: true, crypto.SHA384: true, crypto.SHA512: true, crypto.SHA3_256: true, crypto.SHA3_512: true}

var errWeakHash = errors.New("its hash is too weak")

// parseSignature reads one binary signature and nothing else.
func parseSignature(data []byte) (*signature, error) {
	r := bytes.NewReader(data)
	p, err := packet.NewOpaqueReader(r).Next()
	if err != nil {
		return nil, errors.New("is no OpenPGP signature")
	}
	if p.Tag != 2 || r.Len() > 0 {
		return nil, errors.New("is not one OpenPGP signature")
	}
	if len(p.Contents) > 0 && p.Contents[0] < 4 {
		return parseOldSignature(p.Contents)
	}
	parsed, err := p.Parse()
	if err != nil {
		return nil, fmt.Errorf("is no OpenPGP signature that is supported: %w", err)
	}
	s, ok := parsed.(*packet.Signature)
	switch {
	case !ok:
		return nil, errors.New("is no OpenPGP signature")
	case s.SigType != packet.SigTypeBinary:
		return nil, fmt.Errorf("is an OpenPGP signature of type %d, not of a file", s.SigType)
	}
	sig := &signature{packet: s, made: s.CreationTime, hash: s.Hash}
	switch {
	case len(s.IssuerFingerprint) >= 20 && s.Version == 4:
		sig.keyID = binary.BigEndian.Uint64(s.IssuerFingerprint[12:20])
	case len(s.IssuerFingerprint) >= 8: // later versions take the key id from the other end
		sig.keyID = binary.BigEndian.Uint64(s.IssuerFingerprint)
	case s.IssuerKeyId != nil:
		sig.keyID = *s.IssuerKeyId
	}
	return sig, nil
}

// oldHashes are the hashes of RFC 4880, section 9.4.
var oldHashes = map[byte]crypto.Hash{1: crypto.MD5, 2: crypto.SHA1, 8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512, 11: crypto.SHA224}

func parseOldSignature(b []byte) (*signature, error) {
	const fixed = 19 // version, 5, type, time (4), key id (8), algorithm, hash, beginning of the hash (2)
	const rsaAlgorithm, dsaAlgorithm = 1, 17
	switch {
	case len(b) < fixed+2 || b[1] != 5:
		return nil, errors.New("is a malformed OpenPGP signature")
	case b[2] != byte(packet.SigTypeBinary):
		return nil, fmt.Errorf("is an OpenPGP signature of type %d, not of a file", b[2])
	case b[15] != rsaAlgorithm && b[15] != dsaAlgorithm || oldHashes[b[16]] == 0:
		return nil, errors.New("is an OpenPGP signature that is not supported")
	}
	old := &oldSignature{suffix: [5]byte(b[2:7]), tag: [2]byte(b[17:19])}
	bits := int(binary.BigEndian.Uint16(b[fixed:]))
	if old.rsa = b[fixed+2:]; b[15] == rsaAlgorithm && len(old.rsa) != (bits+7)/8 {
		return nil, errors.New("is a malformed OpenPGP signature")
	}
	if b[15] == dsaAlgorithm {
		old.rsa = nil
	}
	return &signature{
		old:   old,
		keyID: binary.BigEndian.Uint64(b[7:]),
		made:  time.Unix(int64(binary.BigEndian.Uint32(b[3:])), 0),
		hash:  oldHashes[b[16]],
	}, nil
}

// newHash returns the hash to write the document to.
func (s *signature) newHash() (hash.Hash, error) {
	if !strong[s.hash] {
		return nil, errWeakHash
	}
	if s.old != nil {
		return s.hash.New(), nil
	}
	return s.packet.PrepareVerify()
}

// verify checks the signature with one key. h has the document; it is not changed.
func (s *signature) verify(key *packet.PublicKey, h hash.Hash) error {
	h, err := clone(h)
	if err != nil {
		return err
	}
	if s.old == nil {
		return key.VerifySignature(h, s.packet)
	}
	public, ok := key.PublicKey.(*rsa.PublicKey)
	if !ok || s.old.rsa == nil {
		return errors.New("key and signature use different algorithms")
	}
	h.Write(s.old.suffix[:])
	sum := h.Sum(nil)
	if !bytes.HasPrefix(sum, s.old.tag[:]) {
		return errors.New("hash does not match")
	}
	// OpenPGP strips zeros from the front, which the library wants back.
	value := new(big.Int).SetBytes(s.old.rsa)
	if value.BitLen() > public.N.BitLen() {
		return rsa.ErrVerification
	}
	return rsa.VerifyPKCS1v15(public, s.hash, sum, value.FillBytes(make([]byte, public.Size())))
}

func clone(h hash.Hash) (hash.Hash, error) {
	c, ok := h.(hash.Cloner)
	if !ok {
		return nil, fmt.Errorf("hash %T cannot be continued", h)
	}
	return c.Clone()
}

// weakness says whether a key proves nothing, whatever was signed with it.
func weakness(key *packet.PublicKey) error {
	switch k := key.PublicKey.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return fmt.Errorf("%w: RSA with %d bits", errWeakKey, k.N.BitLen())
		}
	case *dsa.PublicKey:
		return fmt.Errorf("%w: DSA", errWeakKey)
	case *ecdsa.PublicKey:
		if k.Curve == nil || k.Curve.Params().BitSize < elliptic.P256().Params().BitSize {
			return errWeakKey
		}
	}
	return nil
}

// verified looks for a key of the keyring that made the signature of what was
// written to h, which newHash returned. The error is a *SignatureError without a name.
func (k *Keyring) verified(s *signature, h hash.Hash) (*Signer, error) {
	fail := func(p Problem, err error) error { return &SignatureError{Problem: p, KeyID: keyID(s.keyID), Err: err} }
	if !strong[s.hash] {
		return nil, fail(Weak, fmt.Errorf("%w: %v", errWeakHash, s.hash))
	}
	var problem error
	for _, c := range k.candidates(s.keyID, s.made) {
		switch err := s.verify(c.public, h); {
		case err != nil:
			if problem == nil {
				problem = fail(BadSignature, err)
			}
		case c.problem != nil && errors.Is(c.problem, errWeakKey):
			problem = fail(Weak, fmt.Errorf("key %s signed it, but %w", c.key.Fingerprint, c.problem))
		case c.problem != nil:
			problem = fail(BadSignature, fmt.Errorf("key %s signed it, but %w", c.key.Fingerprint, c.problem))
		case s.packet != nil && s.packet.SigExpired(time.Now()):
			problem = fail(BadSignature, errors.New("the signature has expired"))
		default:
			return newSigner(c, s), nil
		}
	}
	if problem == nil {
		problem = fail(NoKey, errors.New("no trusted key has this id"))
	}
	return nil, problem
}

func newSigner(c candidate, s *signature) *Signer {
	signer := &Signer{Fingerprint: c.key.Fingerprint, UserID: c.key.UserID, Time: s.made}
	if c.public.IsSubkey {
		signer.Subkey = fmt.Sprintf("%x", c.public.Fingerprint)
	}
	return signer
}

func keyID(id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", id)
}

// VerifyDetached checks a detached signature of data, such as repomd.xml.asc, armored or binary.
// The error is a *SignatureError.
func (k *Keyring) VerifyDetached(data, signature []byte) (*Signer, error) {
	unsigned := func(err error) error { return &SignatureError{Problem: Unsigned, Err: err} }
	raw, err := dearmor(signature, "PGP SIGNATURE")
	if err != nil {
		return nil, unsigned(err)
	}
	// Several people may have signed: one that is trusted suffices.
	r := packet.NewOpaqueReader(bytes.NewReader(raw))
	var first error
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, unsigned(err)
		}
		var b bytes.Buffer
		p.Serialize(&b)
		s, err := parseSignature(b.Bytes())
		if err != nil {
			first = firstError(first, unsigned(err))
			continue
		}
		h, err := s.newHash()
		if err != nil {
			first = firstError(first, &SignatureError{Problem: Weak, KeyID: keyID(s.keyID), Err: err})
			continue
		}
		h.Write(data)
		signer, err := k.verified(s, h)
		if err == nil {
			return signer, nil
		}
		first = firstError(first, err)
	}
	return nil, firstError(first, unsigned(errors.New("there is no signature")))
}

func firstError(first, next error) error {
	if first != nil {
		return first
	}
	return next
}
