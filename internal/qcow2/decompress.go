package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what a hostile zstd frame makes us allocate, in bytes. A
// cluster needs no larger one.
const maxWindow = 8 << 20

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
	d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	return d, err
}

// unpack returns what d.packed holds, valid until the next call. Bytes may
// follow the compressed data.
func (d *decompressor) unpack() ([]byte, error) {
	d.src.Reset(d.packed)
	var from io.Reader = d.zstd
	var err error
	if d.inflate != nil {
		from, err = d.inflate, d.inflate.(flate.Resetter).Reset(&d.src, nil)
	} else {
		err = d.zstd.Reset(&d.src)
	}
	if err != nil {
		return nil, err
	}
	if n, err := io.ReadFull(from, d.cluster); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
			return nil, fmt.Errorf("the compressed data end after %d of %d bytes", n, len(d.cluster))
		}
		return nil, err
	}
	var more [1]byte
	if n, _ := from.Read(more[:]); n > 0 {
		return nil, fmt.Errorf("the compressed data expand to more than %d bytes", len(d.cluster))
	}
	return d.cluster, nil
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
