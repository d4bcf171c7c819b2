package cache

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func (c *Cache) blobPath(d Digest) string {
	return c.path("blobs", d.Algorithm, d.Hex[:2], d.Hex)
}

// Blob returns the path of the blob with digest d and whether it is there.
// size is the one it must have, or negative if that is not known; its digest
// was verified when it entered and is not again (see [Cache.Check]), unless the
// size is wrong, as a power failure may leave it. The file must not be written to.
//
// The file stays in place until Close.
func (c *Cache) Blob(d Digest, size int64) (path string, ok bool) {
	path = c.blobPath(d)
	if !c.use(path) {
		return "", false
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	if size >= 0 && st.Size() != size {
		c.Check(d) // removes it, unless it is size that is wrong
		return "", false
	}
	return path, true
}

// Check reads the blob with digest d and removes it if its bytes are not what
// they should be; the error is then ErrBadDigest. A blob that is not there gives fs.ErrNotExist.
func (c *Cache) Check(d Digest) error {
	f, err := os.Open(c.blobPath(d))
	if err != nil {
		return fmt.Errorf("checking %s: %w", d, err)
	}
	defer f.Close()
	h := d.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("checking %s: %w", d, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != d.Hex {
		os.Remove(f.Name())
		return fmt.Errorf("checking %s: %w: it is %s", d, ErrBadDigest, got)
	}
	return nil
}

// Fill returns the path of the blob with digest d, after having fill write it if
// it was not there. Only one process fills a blob at a time; the others
// wait and use what it made.
//
// The blob enters the cache if fill returned nil and the bytes have digest d
// and, unless size is negative, that size; if not, they are thrown away, and the error
// wraps ErrBadDigest. If fill returns an error, what it wrote is kept aside, and
// the next fill of the same digest, in whatever process, finds it in its Partial.
func (c *Cache) Fill(ctx context.Context, d Digest, size int64, fill func(*Partial) error) (path string, err error) {
	if path, ok := c.Blob(d, size); ok {
		return path, nil
	}
	name := d.Algorithm + "-" + d.Hex
	unlock, err := c.lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if path, ok := c.Blob(d, size); ok {
		return path, nil
	}
	p, err := openPartial(c.path("partial", name), d, size)
	if err != nil {
		return "", err
	}
	defer p.close()
	if err := fill(p); err != nil {
		return "", err
	}
	if err := p.Check(); err != nil {
		p.Reset()
		return "", err
	}
	path = c.blobPath(d)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, p.commit(path)
}
