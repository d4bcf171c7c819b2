package rpm

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/respin-project/respin/internal/hint"
)

// A Keyring is a set of OpenPGP keys that are trusted to sign. The zero
// Keyring trusts nobody. After the last Add it may be used by several goroutines.
type Keyring struct {
	keys []*Key
}

// maxKeys bounds what is read as a key file, in bytes.
const maxKeys = 4 << 20

// Add trusts the keys in data, armored or binary, one or several.
//
// fingerprints, if any, pins them: each key must have one of these as the
// fingerprint of its primary key (hex, spaces and case ignored), and each
// fingerprint must be there; a key that was not asked for is left out. A key
// is refused if it cannot sign: without valid self-signatures, revoked,
// expired, or too weak.
func (k *Keyring) Add(data []byte, fingerprints ...string) error {
	wanted := map[string]bool{}
	for _, f := range fingerprints {
		wanted[strings.ToLower(strings.Join(strings.Fields(f), ""))] = true
	}
	keys, err := parseKeys(data)
	if err != nil {
		return err
	}
	var found []string
	for _, key := range keys {
		found = append(found, key.Fingerprint)
		if len(fingerprints) > 0 && !wanted[key.Fingerprint] {
			continue
		}
		delete(wanted, key.Fingerprint)
		if err := key.usable(time.Now()); err != nil {
			return fmt.Errorf("key %s cannot be trusted: %w", key.Fingerprint, err)
		}
		if err := k.add(key); err != nil {
			return err
		}
	}
	if missing := slices.Sorted(maps.Keys(wanted)); len(missing) > 0 {
		return hint.Wrap(fmt.Errorf("key %s is not among the keys", missing[0]), "they are %s", strings.Join(found, ", "))
	}
	return nil
}

func (k *Keyring) add(key *Key) error {
	for _, old := range k.keys {
		switch {
		case old.Fingerprint != key.Fingerprint:
		case bytes.Equal(old.raw, key.raw):
			return nil
		default:
			return fmt.Errorf("there are two versions of key %s, which may not be valid in the same way", key.Fingerprint)
		}
	}
	k.keys = append(k.keys, key)
	slices.SortFunc(k.keys, func(a, b *Key) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return nil
}

// Keys returns the keys, sorted by fingerprint.
func (k *Keyring) Keys() []*Key { return slices.Clone(k.keys) }

// Digest names the set of keys, in hex: the same for the same keys.
func (k *Keyring) Digest() string {
	h := crypto.SHA256.New()
	for _, key := range k.keys {
		fmt.Fprintf(h, "%s %d\n", key.Fingerprint, len(key.raw))
		h.Write(key.raw)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// parseKeys reads keys, armored, in one block or several, or binary.
func parseKeys(data []byte) ([]*Key, error) {
	if len(data) > maxKeys {
		return nil, fmt.Errorf("keys are longer than %d MiB", maxKeys>>20)
	}
	binary, err := dearmor(data, "PGP PUBLIC KEY BLOCK")
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	var keys []*Key
	r := packet.NewOpaqueReader(bytes.NewReader(binary))
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil && len(keys) == 0 {
			return nil, hint.Wrap(fmt.Errorf("reading keys: it is no OpenPGP key: %w", err), "give a public key, armored or binary, as gpg --export writes it")
		} else if err != nil {
			return nil, fmt.Errorf("reading keys: %w", err)
		}
		const secretKey, publicKey = 5, 6
		switch {
		case p.Tag == secretKey:
			return nil, errors.New("reading keys: there is a secret key, which nobody else should have")
		case p.Tag == publicKey:
			keys = append(keys, &Key{})
		case len(keys) == 0:
			return nil, errors.New("reading keys: there is no public key at the beginning")
		}
		key := keys[len(keys)-1]
		b := bytes.NewBuffer(key.raw)
		p.Serialize(b)
		key.raw = b.Bytes()
	}
	if len(keys) == 0 {
		return nil, errors.New("reading keys: there are none")
	}
	for i, key := range keys {
		if err := key.read(); err != nil {
			return nil, fmt.Errorf("reading key %d: %w", i+1, err)
		}
	}
	return keys, nil
}

// dearmor returns the bytes in the armored blocks of data, or data itself if it is not armored.
func dearmor(data []byte, kind string) ([]byte, error) {
	if !bytes.Contains(data, []byte("-----BEGIN PGP")) {
		return data, nil
	}
	var all []byte
	for r := bytes.NewReader(data); ; {
		// Decode reads ahead, so each block is given to it alone.
		rest := data[len(data)-r.Len():]
		i := bytes.Index(rest, []byte("-----BEGIN PGP"))
		if i < 0 {
			return all, nil
		}
		end := bytes.Index(rest[i:], []byte("-----END PGP"))
		if end < 0 {
			return nil, errors.New("the armor has no end")
		}
		line := bytes.IndexByte(rest[i+end:], '\n')
		if line < 0 {
			line = len(rest) - i - end - 1
		}
		block, err := armor.Decode(bytes.NewReader(rest[i : i+end+line+1]))
		if err != nil {
			return nil, err
		}
		if block.Type != kind {
			return nil, fmt.Errorf("there is a %q instead of a %q", block.Type, kind)
		}
		content, err := io.ReadAll(block.Body)
		if err != nil {
			return nil, err
		}
		all = append(all, content...)
		r.Seek(int64(i+end+line+1), io.SeekCurrent)
	}
}

// candidate is a public key that a signature may have been made with.
type candidate struct {
	key     *Key
	public  *packet.PublicKey
	problem error // why it may not have been
}

// candidates returns the keys and subkeys with that id for a signature made at
// that time, those that may have made it first. Other keys may have the same
// id, by chance or by malice, so there may be several.
func (k *Keyring) candidates(id uint64, at time.Time) []candidate {
	var good, bad []candidate
	add := func(c candidate) {
		if c.problem == nil {
			good = append(good, c)
		} else {
			bad = append(bad, c)
		}
	}
	for _, key := range k.keys {
		key.mu.Lock()
		primary := key.primaryProblem(at)
		if key.entity.PrimaryKey.KeyId == id {
			add(candidate{key, key.entity.PrimaryKey, primary})
		}
		if errors.Is(primary, errCannotSign) {
			primary = nil // its subkeys may
		}
		for i := range key.entity.Subkeys {
			if s := &key.entity.Subkeys[i]; s.PublicKey.KeyId == id {
				add(candidate{key, s.PublicKey, cmp.Or(primary, subkeyProblem(s, at))})
			}
		}
		key.mu.Unlock()
	}
	return append(good, bad...)
}
