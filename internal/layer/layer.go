package layer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
	"golang.org/x/sync/errgroup"
)

// Compression is how a layer is packed.
type Compression string

// Every container engine reads Gzip; Zstd is smaller and faster, for those of 2023 and later.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// A Layer is a packed tree.
type Layer struct {
	Digest    v1.Hash // of the packed bytes
	DiffID    v1.Hash // of the archive in them
	Size      int64   // packed, bytes
	MediaType types.MediaType
	File      *os.File // without a name; Close frees it
}

// Close frees the layer's room on the disk.
func (l *Layer) Close() error { return l.File.Close() }

// Pack makes a layer of a tree. No time in it is later than most.
func Pack(ctx context.Context, t *Tree, most time.Time, c Compression) (*Layer, error) {
	file, err := scratch()
	if err != nil {
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	l := &Layer{File: file, MediaType: types.OCILayer}
	if c == Zstd {
		l.MediaType = types.OCILayerZStd
	}
	if err := l.pack(ctx, t, most, c); err != nil {
		file.Close()
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	return l, nil
}

// pack has the archive written, packed and hashed at the same time.
func (l *Layer) pack(ctx context.Context, t *Tree, most time.Time, c Compression) error {
	digest, diff := sha256.New(), sha256.New()
	sized := &counter{w: io.MultiWriter(l.File, digest)}
	packer, err := c.writer(sized)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		err := t.Write(&stoppable{ctx, w}, most)
		w.CloseWithError(err)
		return err
	})
	work.Go(func() error {
		buffer := make([]byte, 1<<20)
		_, err := io.CopyBuffer(io.MultiWriter(diff, packer), r, buffer)
		r.CloseWithError(err)
		return errors.Join(err, packer.Close())
	})
	if err := work.Wait(); err != nil {
		return err
	}
	l.Digest, l.DiffID, l.Size = sum(digest), sum(diff), sized.n
	return nil
}

// writer packs with all processors; what comes out does not depend on their number.
func (c Compression) writer(w io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return pgzip.NewWriterLevel(w, pgzip.DefaultCompression)
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedDefault))
	}
	return nil, fmt.Errorf("%q is no compression of layers", c)
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// stoppable ends a long write when its context does.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s *stoppable) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}
