package zst

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/packed"
)

const (
	// maxWindow bounds what a frame needs of memory, in bytes: what the zstd
	// program accepts without being told to.
	maxWindow = 128 << 20
	maxFrames = 1 << 20
)

// A Frame is one frame of a file.
type Frame struct {
	Off, Size    int64 // in the file, bytes
	Uncompressed int64 // bytes; -1 if the frame does not tell
	Skippable    bool  // it holds no data
}

// Frames finds the frames of a file of size bytes by going from one to the next.
func Frames(f io.ReaderAt, size int64) ([]Frame, error) {
	var frames []Frame
	for off := int64(0); off < size; {
		frame, err := ReadFrame(f, off, size)
		if err != nil {
			return nil, fmt.Errorf("reading the zstd frame at byte %d: %w", off, err)
		}
		if !frame.Skippable && frame.Uncompressed != 0 {
			frames = append(frames, frame)
		}
		if len(frames) > maxFrames {
			return nil, fmt.Errorf("there are more than %d zstd frames", maxFrames)
		}
		off += frame.Size
	}
	return frames, nil
}

var errTruncated = errors.New("the file ends within it: it is truncated")

// ReadFrame finds where the frame at off ends, in a file of size bytes.
func ReadFrame(f io.ReaderAt, off, size int64) (Frame, error) {
	frame := Frame{Off: off, Uncompressed: -1}
	raw := make([]byte, min(zstd.HeaderMaxSize, size-off))
	if _, err := f.ReadAt(raw, off); err != nil {
		return frame, err
	}
	var h zstd.Header
	if err := h.Decode(raw); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errTruncated
		}
		return frame, err
	}
	if frame.Skippable = h.Skippable; h.Skippable {
		frame.Size = int64(h.HeaderSize) + int64(h.SkippableSize)
		if frame.Size > size-off {
			return frame, errTruncated
		}
		return frame, nil
	}
	if h.HasFCS {
		if h.FrameContentSize > 1<<62 {
			return frame, errors.New("it tells a size that is not possible")
		}
		frame.Uncompressed = int64(h.FrameContentSize)
	}
	at := off + int64(h.HeaderSize)
	for last := false; !last; {
		var block [4]byte
		if at > size-3 {
			return frame, errTruncated
		}
		if _, err := f.ReadAt(block[:3], at); err != nil {
			return frame, err
		}
		v := binary.LittleEndian.Uint32(block[:])
		last = v&1 == 1
		n := int64(v >> 3)
		if v>>1&3 == 1 { // one byte, repeated
			n = 1
		}
		at += 3 + n
	}
	if h.HasCheckSum {
		at += 4
	}
	if at > size {
		return frame, errTruncated
	}
	frame.Size = at - off
	return frame, nil
}

// Open returns the disk in a file of size bytes, which several processors
// unpack, or nil if the file does not tell how large the disk is.
func Open(f io.ReaderAt, size int64, ahead int) (*packed.Disk, error) {
	frames, err := Frames(f, size)
	if err != nil {
		return nil, err
	}
	var parts []packed.Part
	off := int64(0)
	for _, frame := range frames {
		if frame.Uncompressed < 0 {
			return nil, nil
		}
		if off += frame.Uncompressed; off < 0 || off > 1<<62 {
			return nil, errors.New("the zstd frames tell sizes that are not possible")
		}
		parts = append(parts, packed.Part{
			Off:  off - frame.Uncompressed,
			Size: frame.Uncompressed,
			Open: func() (io.ReadCloser, error) { return Stream(io.NewSectionReader(f, frame.Off, frame.Size)) },
		})
	}
	return packed.New(parts, ahead), nil
}

// Stream unpacks frames one after the other.
func Stream(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(bufio.NewReader(r), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return stream{d.IOReadCloser()}, nil
}

// A stream explains the decoder's errors.
type stream struct{ io.ReadCloser }

func (s stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = hint.Wrap(fmt.Errorf("it needs more than %d MiB of memory to be unpacked", maxWindow>>20), "zstd -d --long=31 unpacks it")
	}
	return n, err
}
