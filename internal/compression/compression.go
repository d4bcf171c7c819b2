// Package compression reads what is compressed in any of the ways that
// packages and their metadata are, with bounded memory.
package compression

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow bounds the memory of a decompressor, in bytes. It is the largest
// window that the compressors' usual levels make.
const maxWindow = 128 << 20

// NewReader returns the uncompressed content of r: gzip, bzip2, xz, zstd or
// LZMA, told by its first bytes, and anything else as it is. Close frees the
// decompressor; it does not close r. How much comes out is not bounded.
func NewReader(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 128<<10)
	start, err := b.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(start, []byte("\xfd7zXZ\x00")):
		return withClose(xz.NewReader(b, maxWindow))
	case bytes.HasPrefix(start, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(b)), nil
	case bytes.HasPrefix(start, []byte{0x5d, 0}): // the usual properties of LZMA, which has no magic number
		return withClose(lzma.ReaderConfig{DictCap: maxWindow}.NewReader(b))
	}
	return io.NopCloser(b), nil
}

func withClose[R io.Reader](r R, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	return io.NopCloser(r), nil
}
