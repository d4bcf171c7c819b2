package qcow2

import (
	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/deflate"
)

// window is the farthest that QEMU's inflater looks back, in bytes.
const window = 4 << 10

// A compressor compresses one cluster after another with the same memory.
type compressor struct {
	pack    func(dst, data []byte) []byte // appends what it makes of data
	cluster []byte                        // room for one
}

func newCompressor(c Compression, cluster int) (*compressor, error) {
	room := make([]byte, cluster)
	if c == Zlib {
		return &compressor{deflate.New(window).Encode, room}, nil
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(max(cluster, zstd.MinWindowSize)))
	if err != nil {
		return nil, err
	}
	return &compressor{func(dst, data []byte) []byte { return e.EncodeAll(data, dst) }, room}, nil
}
