package rpm

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow bounds the memory of a decompressor: it is the largest window that the compressors' usual levels make.
const maxWindow = 128 << 20

// Payload returns the uncompressed payload, a cpio archive, of a package that
// Read left r at. Close frees the decompressor; it does not close r.
//
// How it is compressed is told by its first bytes, as rpm permits a payload
// to be stored uncompressed later.
func (p *Package) Payload(r io.Reader) (io.ReadCloser, error) {
	plain, err := decompress(bufio.NewReaderSize(r, 128<<10))
	if err != nil {
		return nil, malformed("payload", err)
	}
	return plain, nil
}

func decompress(r *bufio.Reader) (io.ReadCloser, error) {
	start, err := r.Peek(6)
	if err != nil {
		return nil, cut(err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("0707")):
		return io.NopCloser(r), nil
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(start, []byte("\xfd7zXZ\x00")):
		return nopCloser(xz.NewReader(r, maxWindow))
	case bytes.HasPrefix(start, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(r)), nil
	case start[0] == 0x5d && start[1] == 0: // the usual properties of LZMA, which has no magic number
		return nopCloser(lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r))
	}
	return nil, fmt.Errorf("its compression is not known: it begins with % x", start)
}

func nopCloser[R io.Reader](r R, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	return io.NopCloser(r), nil
}
