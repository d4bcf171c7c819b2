package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Seed is what every identifier of a disk is derived from, so that the same
// input gives the same disk.
type Seed [sha256.Size]byte

// NewSeed makes a seed of everything that distinguishes one image from another.
func NewSeed(parts ...string) Seed {
	// The lengths keep ("ab", "c") and ("a", "bc") apart.
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return Seed(h.Sum(nil))
}

func (s Seed) bytes(purpose string) []byte {
	sum := sha256.Sum256(append(s[:], purpose...))
	return sum[:]
}

// UUID returns the UUID for a purpose, in its usual text form; by its version
// and variant bits it is a random one (RFC 9562, version 4).
func (s Seed) UUID(purpose string) string {
	u := s.bytes(purpose)[:16]
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	h := hex.EncodeToString(u)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// VolumeID returns the serial number of a FAT file system in the form that
// /dev/disk/by-uuid shows: "ABCD-1234".
func (s Seed) VolumeID(purpose string) string {
	h := strings.ToUpper(hex.EncodeToString(s.bytes(purpose)[:4]))
	return h[:4] + "-" + h[4:]
}

// ID returns 128 bits as 32 hexadecimal digits, the form of a machine-id.
func (s Seed) ID(purpose string) string { return strings.ReplaceAll(s.UUID(purpose), "-", "") }
