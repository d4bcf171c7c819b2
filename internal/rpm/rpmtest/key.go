package rpmtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for Hash
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A Key is an OpenPGP key that can sign.
type Key struct {
	Entity *openpgp.Entity
	Hash   crypto.Hash // 0: SHA-256; SHA-1 with V3 only
	V3     bool        // make signatures of version 3, as Enterprise Linux does
}

// NewKey makes a key as config says; nil makes an Ed25519 key of version 4.
// It was made in the year 2020.
func NewKey(config *packet.Config) *Key {
	if config == nil {
		config = &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}
	}
	c := *config
	c.Time = func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }
	e, err := openpgp.NewEntity("Test", "", "test@example.org", &c)
	if err != nil {
		panic(err)
	}
	return &Key{Entity: e}
}

// RSA is a key of 2048 bits, made once.
var RSA = sync.OnceValue(func() *Key {
	return NewKey(&packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048})
})

// Public returns the public key, binary.
func (k *Key) Public() []byte {
	var b bytes.Buffer
	if err := k.Entity.Serialize(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Fingerprint is that of the primary key, in hex.
func (k *Key) Fingerprint() string { return hex.EncodeToString(k.Entity.PrimaryKey.Fingerprint) }

// Sign makes a detached, binary signature.
func (k *Key) Sign(data []byte) []byte {
	if k.V3 {
		return k.signV3(data)
	}
	hash := k.Hash
	if hash == 0 {
		hash = crypto.SHA256
	}
	private := k.Entity.PrivateKey
	sig := &packet.Signature{
		Version: private.Version, SigType: packet.SigTypeBinary, PubKeyAlgo: private.PubKeyAlgo, Hash: hash,
		CreationTime: time.Now(), IssuerKeyId: &private.KeyId, IssuerFingerprint: private.Fingerprint,
	}
	h, err := sig.PrepareSign(nil)
	if err != nil {
		panic(err)
	}
	h.Write(data)
	if err := sig.Sign(h, private, nil); err != nil {
		panic(err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// signV3 makes a signature as RFC 4880, section 5.2.2, has it. It can use SHA-1 as well.
func (k *Key) signV3(data []byte) []byte {
	hash, number := crypto.SHA256, byte(8)
	if k.Hash == crypto.SHA1 {
		hash, number = crypto.SHA1, 2
	}
	suffix := binary.BigEndian.AppendUint32([]byte{0}, uint32(time.Now().Unix()))
	h := hash.New()
	h.Write(data)
	h.Write(suffix)
	sum := h.Sum(nil)
	value, err := rsa.SignPKCS1v15(rand.Reader, k.Entity.PrivateKey.PrivateKey.(*rsa.PrivateKey), hash, sum)
	if err != nil {
		panic(err)
	}
	body := append([]byte{3, 5}, suffix...)
	body = binary.BigEndian.AppendUint64(body, k.Entity.PrimaryKey.KeyId)
	body = append(body, 1, number, sum[0], sum[1])
	value = bytes.TrimLeft(value, "\x00")
	body = binary.BigEndian.AppendUint16(body, uint16(new(big.Int).SetBytes(value).BitLen()))
	body = append(body, value...)
	return append(binary.BigEndian.AppendUint16([]byte{0x89}, uint16(len(body))), body...)
}
