package mirror

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// SigningKey reads an armored OpenPGP secret key that can sign.
func SigningKey(armored, passphrase string) (*openpgp.Entity, error) {
	keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(armored))
	if err != nil {
		return nil, fmt.Errorf("it is no armored OpenPGP key: %w", err)
	}
	if len(keys) != 1 || keys[0].PrivateKey == nil {
		return nil, errors.New("it does not hold exactly one secret key")
	}
	key := keys[0]
	if key.PrivateKey.Encrypted {
		if err := key.DecryptPrivateKeys([]byte(passphrase)); err != nil {
			return nil, errors.New("the passphrase does not open it")
		}
	}
	if _, ok := key.SigningKey(time.Now()); !ok {
		return nil, errors.New("it has no valid key for signing")
	}
	return key, nil
}

// clearSign signs text in the clear (RFC 9580, section 7). The signature's time is
// that of what it signs, so that the same text gives the same bytes.
func clearSign(text []byte, key *openpgp.Entity, at time.Time) ([]byte, error) {
	if key == nil {
		return text, nil
	}
	signing, ok := key.SigningKey(time.Now())
	if !ok {
		return nil, errors.New("the key can no longer sign")
	}
	if made := signing.PublicKey.CreationTime; at.Before(made) {
		at = made
	}
	random := false
	config := &packet.Config{DefaultHash: crypto.SHA256, Time: func() time.Time { return at }, NonDeterministicSignaturesViaNotation: &random}
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, signing.PrivateKey, config)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return append(b.Bytes(), '\n'), nil
}
