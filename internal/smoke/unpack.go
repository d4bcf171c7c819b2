package smoke

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/qemu"
)

// maxDisk is the largest disk that is unpacked, in bytes.
const maxDisk = 256 << 30

// unpack writes the raw disk that is packed in a file into a temporary file
// without a name, leaving out what is zero.
func unpack(ctx context.Context, path, format string) (*os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var r io.Reader
	switch format {
	case "raw.xz":
		r, err = xz.NewReader(in, 0)
	case "raw.zst":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(in, zstd.WithDecoderMaxMemory(1<<30)); err == nil {
			defer d.Close()
			r = d
		}
	case "raw.gz":
		r, err = gzip.NewReader(in)
	}
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", path, err)
	}
	out, err := qemu.TemporaryFile()
	if err != nil {
		return nil, err
	}
	if err := copySparse(ctx, out, r); err != nil {
		out.Close()
		return nil, hint.Wrap(fmt.Errorf("unpacking %s: %w", path, err), "it needs room in %s: TMPDIR names another folder", qemu.TemporaryFolder())
	}
	return out, nil
}

// copySparse copies r to the beginning of out, with holes for its zeros.
func copySparse(ctx context.Context, out *os.File, r io.Reader) error {
	block, zero := make([]byte, 256<<10), make([]byte, 256<<10)
	size := int64(0)
	for {
		n, err := io.ReadFull(r, block)
		if !bytes.Equal(block[:n], zero[:n]) {
			if _, err := out.WriteAt(block[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		switch {
		case err == io.EOF, err == io.ErrUnexpectedEOF:
			return out.Truncate(size)
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case size > maxDisk:
			return fmt.Errorf("the disk is larger than %d GiB", int64(maxDisk)>>30)
		}
	}
}
