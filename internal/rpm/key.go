package rpm

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A Key is an OpenPGP certificate: a primary key with its subkeys.
type Key struct {
	Fingerprint string // of the primary key, lower-case hex: 40 digits (v4) or 64 (v6)
	UserID      string // for messages; may be empty
	Created     time.Time

	raw    []byte // its packets as they were given
	mu     sync.Mutex
	entity *openpgp.Entity // remembers what it checked; guarded by mu
}

// read makes sense of the key's packets.
func (k *Key) read() (err error) {
	if k.entity, err = openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.raw))); err != nil {
		return err
	}
	k.Fingerprint = hex.EncodeToString(k.entity.PrimaryKey.Fingerprint)
	k.Created = k.entity.PrimaryKey.CreationTime
	if _, id := k.entity.PrimaryIdentity(time.Time{}, primaryPolicy); id != nil {
		k.UserID = strings.ToValidUTF8(id.Name, "\uFFFD")
	}
	return nil
}

// Armored returns the key as it was given, as one block of armor, for the
// distribution's own rpm.
func (k *Key) Armored() []byte {
	var b bytes.Buffer
	w, _ := armor.EncodeWithChecksumOption(&b, "PGP PUBLIC KEY BLOCK", nil, true) // a Buffer takes everything
	w.Write(k.raw)
	w.Close()
	b.WriteByte('\n')
	return b.Bytes()
}

// ShortID is the last eight hex digits of the key's id, as Koji names folders
// of signed packages.
func (k *Key) ShortID() string {
	if len(k.Fingerprint) == 64 { // of version 6, whose id is at the front
		return k.Fingerprint[8:16]
	}
	return k.Fingerprint[len(k.Fingerprint)-8:]
}

// The policies for signatures in keys. A SHA-1 signature by which a primary
// key vouches for itself adds nothing to the fingerprint that is pinned, and keys of
// older distributions have them; but one that brings in a subkey does.
var (
	primaryPolicy = &packet.Config{
		MinRSABits:                          minRSABits,
		InsecureAllowAllKeyFlagsWhenMissing: true, // as gpg and rpm have it
	}
	subkeyPolicy = &packet.Config{
		MinRSABits:           minRSABits,
		RejectHashAlgorithms: map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true, crypto.RIPEMD160: true},
	}
)

// usable says why the key cannot sign at that time, if so.
func (k *Key) usable(at time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.primaryProblem(at)
	if !errors.Is(err, errCannotSign) {
		return err
	}
	for i := range k.entity.Subkeys {
		s := &k.entity.Subkeys[i]
		switch problem := subkeyProblem(s, at); {
		case problem == nil:
			return nil
		case !errors.Is(problem, errCannotSign):
			err = fmt.Errorf("its subkey %x cannot be used: %w", s.PublicKey.Fingerprint, problem)
		}
	}
	return err
}

var (
	errRevoked    = errors.New("it is revoked")
	errExpired    = errors.New("it has expired")
	errTooNew     = errors.New("it is younger than the signature")
	errCannotSign = errors.New("it is not meant to sign")
	errNotBound   = errors.New("it has no valid self-signature")
	errWeakKey    = errors.New("it is too weak")
)

// primaryProblem says why the primary key may not have signed something at that time.
//
// Self-signatures count whenever they were made, as the newest says what its
// owner means; a revocation counts for ever, for who has a stolen key can
// also date signatures back.
func (k *Key) primaryProblem(at time.Time) error {
	for _, r := range k.entity.Revocations {
		if k.entity.PrimaryKey.VerifyRevocationSignature(r.Packet) == nil {
			return errRevoked
		}
	}
	self, err := k.entity.PrimarySelfSignature(time.Time{}, primaryPolicy)
	if err != nil {
		return errNotBound
	}
	direct, _ := k.entity.LatestValidDirectSignature(time.Time{}, primaryPolicy)
	if err := lifetimeProblem(k.entity.PrimaryKey, at, self, direct); err != nil {
		return err
	}
	if self.FlagsValid && !self.FlagSign {
		return errCannotSign
	}
	return weakness(k.entity.PrimaryKey)
}

// subkeyProblem says why a subkey may not have signed something at that time.
func subkeyProblem(s *openpgp.Subkey, at time.Time) error {
	binding, err := s.LatestValidBindingSignature(time.Time{}, subkeyPolicy)
	if err != nil {
		return errNotBound
	}
	if s.Revoked(binding, time.Time{}) {
		return errRevoked
	}
	if err := lifetimeProblem(s.PublicKey, at, binding); err != nil {
		return err
	}
	// A subkey that is marked to sign was checked to have signed back.
	if !binding.FlagsValid || !binding.FlagSign || binding.EmbeddedSignature == nil {
		return errCannotSign
	}
	return weakness(s.PublicKey)
}

// lifetimeProblem says whether a key existed at that time, by the self-signatures that say how long it does.
func lifetimeProblem(key *packet.PublicKey, at time.Time, self ...*packet.Signature) error {
	if key.CreationTime.After(at) {
		return errTooNew
	}
	for _, s := range self {
		if s == nil {
			continue
		}
		lapsed := s.SigLifetimeSecs != nil && *s.SigLifetimeSecs != 0 &&
			at.After(s.CreationTime.Add(time.Duration(*s.SigLifetimeSecs)*time.Second))
		if lapsed || key.KeyExpired(s, at) {
			return errExpired
		}
	}
	return nil
}
