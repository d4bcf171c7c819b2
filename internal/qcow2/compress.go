package qcow2

import (
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// window is the farthest that QEMU's inflater looks back, in bytes.
const window = 4 << 10

// A compressor compresses one cluster after another with the same memory.
type compressor interface {
	// compress appends data to dst as a cluster's compressed bytes.
	compress(dst, data []byte) []byte
	// scratch returns memory for n bytes, the same each time.
	scratch(n int) []byte
}

func newCompressor(c Compression, cluster int) (compressor, error) {
	if c == Zstd {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(max(cluster, zstd.MinWindowSize)))
		return &zstdCompressor{enc: e}, err
	}
	w, err := flate.NewWriterWindow(nil, window)
	return &zlibCompressor{w: w}, err
}

type memory []byte

func (s *memory) scratch(n int) []byte {
	if cap(*s) < n {
		*s = make([]byte, n)
	}
	return (*s)[:n]
}

type zstdCompressor struct {
	memory
	enc *zstd.Encoder
}

func (c *zstdCompressor) compress(dst, data []byte) []byte { return c.enc.EncodeAll(data, dst) }

type zlibCompressor struct {
	memory
	w   *flate.Writer
	dst []byte
}

func (c *zlibCompressor) Write(p []byte) (int, error) {
	c.dst = append(c.dst, p...)
	return len(p), nil
}

func (c *zlibCompressor) compress(dst, data []byte) []byte {
	c.dst = dst
	c.w.Reset(c)
	c.w.Write(data)
	c.w.Close()
	return c.dst
}
