package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/zst"
)

// A decompressor unpacks one cluster after another with the same memory.
type decompressor struct {
	packed  []byte
	cluster []byte
	src     bytes.Reader
	inflate io.ReadCloser
	zstd    *zstd.Decoder
}

func newDecompressor(c Compression, cluster int64) (*decompressor, error) {
	d := &decompressor{cluster: make([]byte, cluster)}
	if c == Zlib {
		d.inflate = flate.NewReader(&d.src)
		return d, nil
	}
	var err error
	d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	return d, err
}

// unpack returns the cluster that d.packed holds, valid until the next call.
// Bytes of the next one may follow the compressed data.
func (d *decompressor) unpack() ([]byte, error) {
	unpack := d.inflateAll
	if d.zstd != nil {
		unpack = d.decodeFrame
	}
	n, more, err := unpack()
	switch {
	case err != nil:
		return nil, err
	case more:
		return nil, fmt.Errorf("the compressed data expand to more than %d bytes", len(d.cluster))
	case n < len(d.cluster):
		return nil, fmt.Errorf("the compressed data end after %d of %d bytes", n, len(d.cluster))
	}
	return d.cluster, nil
}

// inflateAll unpacks n bytes, and says whether there would be more.
func (d *decompressor) inflateAll() (n int, more bool, err error) {
	d.src.Reset(d.packed)
	if err := d.inflate.(flate.Resetter).Reset(&d.src, nil); err != nil {
		return 0, false, err
	}
	n, err = io.ReadFull(d.inflate, d.cluster)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		// Where the packed bytes end too soon, the decoder says the same.
		return n, false, nil
	} else if err != nil {
		return n, false, err
	}
	var next [1]byte
	k, _ := d.inflate.Read(next[:])
	return n, k > 0, nil
}

// decodeFrame does the same for zstd.
func (d *decompressor) decodeFrame() (n int, more bool, err error) {
	d.src.Reset(d.packed)
	frame, err := zst.ReadFrame(&d.src, 0, int64(len(d.packed)))
	if err != nil {
		return 0, false, err
	}
	data, err := d.zstd.DecodeAll(d.packed[:frame.Size], d.cluster[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return len(data), true, nil
	}
	return len(data), false, err
}

// readCompressed reads the part of a compressed cluster that begins at from.
func (r *Reader) readCompressed(p []byte, entry uint64, from int64) error {
	shift := 62 - (r.head.ClusterBits - 8)
	at := int64(entry & (1<<shift - 1))
	sectors := int64(entry&(compressed-1)>>shift) + 1
	n := sectors<<9 - at&511
	switch {
	case at < r.cluster():
		return fmt.Errorf("the compressed data at byte %d are in the header", at)
	case at >= r.fileSize:
		return fmt.Errorf("the compressed data at byte %d are behind the file's end at byte %d: it is truncated", at, r.fileSize)
	}
	n = min(n, r.fileSize-at) // what was written last need not fill its sector
	d, ok := r.unpackers.Get().(*decompressor)
	if !ok {
		var err error
		if d, err = newDecompressor(r.packing, r.cluster()); err != nil {
			return err
		}
	}
	defer r.unpackers.Put(d)
	if int64(cap(d.packed)) < n {
		d.packed = make([]byte, n)
	}
	d.packed = d.packed[:n]
	if _, err := r.file.ReadAt(d.packed, at); err != nil {
		return err
	}
	data, err := d.unpack()
	if err != nil {
		return fmt.Errorf("unpacking %d bytes at byte %d: %w", n, at, err)
	}
	copy(p, data[from:])
	return nil
}
