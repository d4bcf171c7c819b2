package cache

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// A Digest names bytes by a cryptographic hash of them. It is comparable; the
// zero Digest names nothing.
type Digest struct {
	Algorithm string // "sha256", "sha384" or "sha512"
	Hex       string // lower case, of the algorithm's length
}

// algorithms that are strong enough to name content.
var algorithms = map[string]func() hash.Hash{"sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}

// NewDigest returns the digest with that algorithm and hex value. The error
// says what is wrong with them: an algorithm that is unknown or too weak to
// trust (md5, sha1), or a value of the wrong length.
func NewDigest(algorithm, value string) (Digest, error) {
	d := Digest{strings.ToLower(algorithm), strings.ToLower(value)}
	switch d.Algorithm {
	case "sha256", "sha384", "sha512":
	case "md5", "sha", "sha1":
		return Digest{}, fmt.Errorf("checksum type %q is too weak to be trusted", algorithm)
	default:
		return Digest{}, fmt.Errorf("checksum type %q is not known", algorithm)
	}
	if raw, err := hex.DecodeString(d.Hex); err != nil || len(raw) != d.New().Size() {
		return Digest{}, fmt.Errorf("%q is no %s checksum", value, d.Algorithm)
	}
	return d, nil
}

// ParseDigest reads the form that String writes.
func ParseDigest(s string) (Digest, error) {
	algorithm, value, ok := strings.Cut(s, ":")
	if !ok {
		return Digest{}, fmt.Errorf("%q is no digest: write it like sha256:…", s)
	}
	return NewDigest(algorithm, value)
}

// SHA256 is the sha256 digest of data.
func SHA256(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest{"sha256", hex.EncodeToString(sum[:])}
}

// String is ALGORITHM:HEX, as manifests have it; it is empty for the zero Digest.
func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return d.Algorithm + ":" + d.Hex
}

// New returns a new hash of the digest's algorithm. It panics on a Digest that NewDigest would refuse.
func (d Digest) New() hash.Hash { return algorithms[d.Algorithm]() }
