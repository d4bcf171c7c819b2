// Package gz writes gzip files (RFC 1952) with several processors: pieces of
// the data are deflated on their own, each ends on a byte, and together they
// are one member as any other program makes it.
package gz

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/respin-project/respin/internal/block"
)

// level is that of the deflate library: about the size that gzip -6 gives.
const level = 6

// header has no time and no name, so that the bytes repeat; made by an unknown system.
var header = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// lastBlock is an empty one of fixed codes.
var lastBlock = []byte{3, 0}

// A Writer makes a gzip file. Encode may be called for several pieces at the
// same time; Append and Zeros then want them in order.
type Writer struct {
	file      io.Writer
	deflaters sync.Pool // of *deflater

	size  int64  // of what was packed, bytes
	sum   uint32 // its CRC-32
	zeros block.ZeroPieces
}

type deflater struct {
	*flate.Writer
	out bytes.Buffer
}

// NewWriter begins a file.
func NewWriter(f io.Writer) (*Writer, error) {
	w := &Writer{file: f, zeros: block.ZeroPieces{}}
	_, err := f.Write(header)
	return w, err
}

// Blocks is how many blocks a piece has.
func (w *Writer) Blocks() int { return 1 }

// Encode deflates the piece into p.Out and leaves its CRC-32 behind.
func (w *Writer) Encode(p *block.Piece) error {
	err := w.encode(p, p.Reader())
	p.Release()
	return err
}

func (w *Writer) encode(p *block.Piece, data io.Reader) error {
	d, ok := w.deflaters.Get().(*deflater)
	if !ok {
		fw, err := flate.NewWriter(nil, level)
		if err != nil {
			return err
		}
		d = &deflater{Writer: fw}
	}
	sum := crc32.NewIEEE()
	d.out = *bytes.NewBuffer(p.Out[:0])
	d.Reset(&d.out)
	_, err := io.Copy(io.MultiWriter(d.Writer, sum), data)
	if err == nil {
		err = d.Flush()
	}
	p.Out = binary.BigEndian.AppendUint32(d.out.Bytes(), sum.Sum32())
	w.deflaters.Put(d)
	return err
}

// Append writes an encoded piece.
func (w *Writer) Append(p *block.Piece) error {
	end := len(p.Out) - crc32.Size
	w.sum = combine(w.sum, binary.BigEndian.Uint32(p.Out[end:]), int64(p.Size))
	w.size += int64(p.Size)
	_, err := w.file.Write(p.Out[:end])
	return err
}

// Zeros appends n bytes of zeros, which are packed once.
func (w *Writer) Zeros(n int64) error { return w.zeros.Append(w, n) }

// Write packs p at once, for what is small.
func (w *Writer) Write(p []byte) (int, error) {
	piece := &block.Piece{Size: len(p)}
	if err := w.encode(piece, bytes.NewReader(p)); err != nil {
		return 0, err
	}
	return len(p), w.Append(piece)
}

// Close writes the end. It does not close the file.
func (w *Writer) Close() error {
	end := binary.LittleEndian.AppendUint32(bytes.Clone(lastBlock), w.sum)
	end = binary.LittleEndian.AppendUint32(end, uint32(w.size))
	_, err := w.file.Write(end)
	return err
}

// Stream unpacks a gzip file.
func Stream(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(bufio.NewReader(r)) }
