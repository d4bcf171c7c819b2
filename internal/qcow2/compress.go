package qcow2

import (
	"github.com/respin-project/respin/internal/deflate"
	"github.com/respin-project/respin/internal/zstdframe"
)

// window is the farthest that QEMU's inflater looks back, in bytes.
const window = 4 << 10

// A compressor compresses one cluster after another with the same memory.
type compressor struct {
	pack    func(dst, data []byte) []byte // appends what it makes of data
	cluster []byte                        // room for one
}

func newCompressor(c Compression, cluster int) *compressor {
	pack := deflate.New(window).Encode
	if c == Zstd {
		pack = zstdframe.New().Encode
	}
	return &compressor{pack, make([]byte, cluster)}
}
