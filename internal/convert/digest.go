package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/respin-project/respin/internal/block"
)

// A digest is the encoder that makes a disk's SHA-256 and no file.
type digest struct {
	sum  hash.Hash
	done chan struct{} // closed when sum is complete
}

func newDigest() *digest { return &digest{sha256.New(), make(chan struct{})} }

func (d *digest) Blocks() int               { return 1 }
func (d *digest) Encode(*block.Piece) error { return nil }

func (d *digest) Append(p *block.Piece) error {
	d.sum.Write(p.Blocks[0].Data)
	return nil
}

// manyZeros is what runs of zeros are hashed from.
var manyZeros [256 << 10]byte

func (d *digest) Zeros(n int64) error {
	for n > 0 {
		part := min(n, int64(len(manyZeros)))
		d.sum.Write(manyZeros[:part])
		n -= part
	}
	return nil
}

func (d *digest) Close() error {
	close(d.done)
	return nil
}

// wait returns the hash of the whole disk, to be carried on with.
func (d *digest) wait(ctx context.Context) (hash.Hash, error) {
	select {
	case <-d.done:
		return d.sum.(hash.Cloner).Clone()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *digest) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }
