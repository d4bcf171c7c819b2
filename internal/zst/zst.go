// Package zst reads and writes .zst files: frames of RFC 8878, one for each
// piece of the data, so that several processors work at them, and behind them
// the table of the "Zstandard Seekable Format" 0.1.0 (zstd's contrib folder),
// by which a reader finds any piece and knows the size of the whole. Other
// programs skip the table.
package zst

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/block"
)

const (
	frameSize = 4 << 20 // of the data in a frame, bytes

	skippableMagic = 0x184d2a5e
	seekableMagic  = 0x8f92eab1
	entrySize      = 8 // in the table, bytes: compressed and plain size
	footerSize     = 9
)

// A Writer makes a file. Encode may be called for several pieces at the same
// time; Append and Zeros then want them in order.
type Writer struct {
	file     io.Writer
	encoders sync.Pool // of *encoder
	table    []byte
	zeros    block.ZeroPieces
}

type encoder struct {
	*zstd.Encoder
	data []byte
}

// NewWriter begins a file.
func NewWriter(f io.Writer) *Writer {
	return &Writer{file: f, zeros: block.ZeroPieces{}}
}

// Blocks is how many blocks a piece has.
func (w *Writer) Blocks() int { return frameSize / block.Size }

// Encode compresses the piece into a frame.
func (w *Writer) Encode(p *block.Piece) error {
	e, ok := w.encoders.Get().(*encoder)
	if !ok {
		// With a single segment even the shortest frame tells its size.
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(frameSize), zstd.WithSingleSegment(true))
		if err != nil {
			return err
		}
		e = &encoder{enc, make([]byte, frameSize)}
	}
	_, err := io.ReadFull(p.Reader(), e.data[:p.Size])
	p.Release()
	p.Out = e.EncodeAll(e.data[:p.Size], p.Out[:0])
	w.encoders.Put(e)
	return err
}

// Append writes an encoded piece.
func (w *Writer) Append(p *block.Piece) error {
	w.table = binary.LittleEndian.AppendUint32(w.table, uint32(len(p.Out)))
	w.table = binary.LittleEndian.AppendUint32(w.table, uint32(p.Size))
	_, err := w.file.Write(p.Out)
	return err
}

// Zeros appends n bytes of zeros, which are packed once.
func (w *Writer) Zeros(n int64) error { return w.zeros.Append(w, n) }

// Close writes the table. It does not close the file.
func (w *Writer) Close() error {
	b := binary.LittleEndian.AppendUint32(nil, skippableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(w.table)+footerSize))
	b = append(b, w.table...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(w.table)/entrySize))
	b = append(b, 0) // the entries have no checksums: the frames have
	b = binary.LittleEndian.AppendUint32(b, seekableMagic)
	_, err := w.file.Write(b)
	return err
}
