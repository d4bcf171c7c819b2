package xz

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/packed"
)

const (
	// maxIndex bounds the memory that an index takes, in bytes of the file.
	maxIndex = 16 << 20
	// maxDict bounds what a block needs of memory, in bytes: the preset -9 has as much.
	maxDict = 64 << 20
)

// A Block is a block of a file, as the index tells it.
type Block struct {
	off          int64 // in the file, bytes
	unpadded     int64
	Uncompressed int64 // bytes
	check        byte  // its kind, in the stream's flags
}

// Index reads where the blocks are in a file of size bytes: of all its streams, in order.
func Index(f io.ReaderAt, size int64) ([]Block, error) {
	var all []Block
	for end := size; end > 0; {
		// Four zeros at a time may follow a stream.
		var word [4]byte
		if end < 2*headerLen || end%4 != 0 {
			return nil, errors.New("the file does not end with a stream: it is truncated, or no .xz file")
		}
		if _, err := f.ReadAt(word[:], end-4); err != nil {
			return nil, err
		}
		if word == [4]byte{} {
			end -= 4
			continue
		}
		blocks, start, err := readStream(f, end)
		if err != nil {
			return nil, err
		}
		slices.Reverse(blocks)
		all = append(all, blocks...)
		end = start
	}
	slices.Reverse(all)
	return all, nil
}

// readStream reads the index of the stream that ends at end, and returns where it begins.
func readStream(f io.ReaderAt, end int64) (blocks []Block, start int64, err error) {
	foot := make([]byte, headerLen)
	if _, err := f.ReadAt(foot, end-headerLen); err != nil {
		return nil, 0, err
	}
	if !bytes.Equal(foot[10:], footerMagic) {
		return nil, 0, errors.New("the file does not end with a stream: it is truncated, or no .xz file")
	}
	if binary.LittleEndian.Uint32(foot) != crc32.ChecksumIEEE(foot[4:10]) {
		return nil, 0, errors.New("the stream's footer is damaged")
	}
	indexSize := (int64(binary.LittleEndian.Uint32(foot[4:])) + 1) * 4
	if indexSize > maxIndex || indexSize > end-2*headerLen {
		return nil, 0, fmt.Errorf("an index of %d bytes is too large", indexSize)
	}
	raw := make([]byte, indexSize)
	if _, err := f.ReadAt(raw, end-headerLen-indexSize); err != nil {
		return nil, 0, err
	}
	blocks, total, err := parseIndex(raw, foot[9])
	if err != nil {
		return nil, 0, fmt.Errorf("reading the index: %w", err)
	}
	start = end - headerLen - indexSize - total - headerLen
	if start < 0 {
		return nil, 0, errors.New("the index tells of more than the file has")
	}
	head := make([]byte, headerLen)
	if _, err := f.ReadAt(head, start); err != nil {
		return nil, 0, err
	}
	if !bytes.Equal(head, appendCRC(bytes.Clone(headerMagic), foot[8:10])) {
		return nil, 0, errors.New("the stream's header is damaged or not where the index says")
	}
	for i := range blocks {
		blocks[i].off += start + headerLen
	}
	return blocks, start, nil
}

// parseIndex returns the blocks, from the first block's start on, and the
// bytes they take of the file.
func parseIndex(raw []byte, check byte) (blocks []Block, total int64, err error) {
	body := raw[:len(raw)-4]
	if binary.LittleEndian.Uint32(raw[len(body):]) != crc32.ChecksumIEEE(body) || body[0] != 0 {
		return nil, 0, errors.New("it is damaged")
	}
	in := bytes.NewReader(body[1:])
	count, err := binary.ReadUvarint(in)
	if err != nil || count > uint64(in.Len())/2 {
		return nil, 0, errors.New("it is damaged")
	}
	uncompressed := int64(0)
	for range count {
		unpadded, err1 := binary.ReadUvarint(in)
		plain, err2 := binary.ReadUvarint(in)
		if err1 != nil || err2 != nil || unpadded < 5 || unpadded > 1<<62 || plain > 1<<62 {
			return nil, 0, errors.New("it is damaged")
		}
		blocks = append(blocks, Block{total, int64(unpadded), int64(plain), check})
		total += padded(int64(unpadded))
		if uncompressed += int64(plain); total < 0 || total > 1<<62 || uncompressed < 0 || uncompressed > 1<<62 {
			return nil, 0, errors.New("its sizes are too large")
		}
	}
	return blocks, total, nil
}

func padded(n int64) int64 { return (n + 3) &^ 3 }

// Open returns the disk in a file of size bytes, which several processors
// unpack, and what unpacks it.
func Open(ctx context.Context, f io.ReaderAt, size int64, ahead int) (*packed.Disk, string, error) {
	blocks, err := Index(f, size)
	if err != nil {
		return nil, "", fmt.Errorf("reading xz: %w", err)
	}
	unpack, name := findDecompressor(ctx)
	var parts []packed.Part
	off := int64(0)
	for _, b := range blocks {
		if b.Uncompressed == 0 {
			continue
		}
		parts = append(parts, packed.Part{Off: off, Size: b.Uncompressed, Open: func() (io.ReadCloser, error) {
			return openBlock(ctx, f, b, unpack)
		}})
		off += b.Uncompressed
	}
	return packed.New(parts, ahead), name, nil
}

// openBlock returns a reader of what is packed in a block.
func openBlock(ctx context.Context, f io.ReaderAt, b Block, unpack decompressor) (io.ReadCloser, error) {
	var size [1]byte
	if _, err := f.ReadAt(size[:], b.off); err != nil {
		return nil, err
	}
	header := make([]byte, (int(size[0])+1)*4)
	if _, err := f.ReadAt(header, b.off); err != nil {
		return nil, err
	}
	dict, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	sum, err := newCheck(b.check)
	if err != nil {
		return nil, err
	}
	n := b.unpadded - int64(len(header)+sum.Size())
	if n < 1 {
		return nil, errors.New("the index tells a size that the block cannot have")
	}
	start := b.off + int64(len(header))
	want := make([]byte, sum.Size())
	if _, err := f.ReadAt(want, start+padded(n)); err != nil {
		return nil, err
	}
	r, err := unpack(ctx, bufio.NewReader(io.NewSectionReader(f, start, n)), dict)
	if err != nil {
		return nil, err
	}
	return &blockReader{r, sum, want}, nil
}

// parseHeader returns the size of the dictionary that a block needs.
func parseHeader(header []byte) (dict uint32, err error) {
	body := header[:len(header)-4]
	if len(header) < 8 || binary.LittleEndian.Uint32(header[len(body):]) != crc32.ChecksumIEEE(body) {
		return 0, errors.New("the block's header is damaged")
	}
	flags := body[1]
	in := bytes.NewReader(body[2:])
	for _, has := range []byte{0x40, 0x80} { // the sizes, which the index has too
		if flags&has != 0 {
			if _, err := binary.ReadUvarint(in); err != nil {
				return 0, errors.New("the block's header is damaged")
			}
		}
	}
	var filter [3]byte // its name, the length of its properties, these
	if _, err := io.ReadFull(in, filter[:]); err != nil {
		return 0, errors.New("the block's header is damaged")
	}
	if flags&3 != 0 || filter[0] != filterLZMA2 || filter[1] != 1 {
		return 0, hint.Wrap(errors.New("the block is packed with other filters than LZMA2"), "unpack it with xz -dc and give it to img-convert as -")
	}
	p := uint32(filter[2])
	if p > 40 {
		return 0, errors.New("the block's header is damaged")
	}
	size := uint64(2|p&1) << (p/2 + 11)
	if size > maxDict {
		return 0, fmt.Errorf("the block needs %d MiB of memory, more than %d", size>>20, maxDict>>20)
	}
	return uint32(size), nil
}

// newCheck returns the hash of a kind of check.
func newCheck(kind byte) (hash.Hash, error) {
	switch kind {
	case 0:
		return noCheck{}, nil
	case 1:
		return crc32.NewIEEE(), nil
	case checkCRC64:
		return crc64.New(ecma), nil
	case 10:
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("the check of kind %d is not known", kind)
}

type noCheck struct{}

func (noCheck) Write(p []byte) (int, error) { return len(p), nil }
func (noCheck) Sum(b []byte) []byte         { return b }
func (noCheck) Reset()                      {}
func (noCheck) Size() int                   { return 0 }
func (noCheck) BlockSize() int              { return 1 }

// A blockReader verifies the check at the end.
type blockReader struct {
	io.ReadCloser
	sum  hash.Hash
	want []byte
}

func (r *blockReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.sum.Write(p[:n])
	if err == io.EOF {
		got := r.sum.Sum(nil)
		if r.sum.Size() <= 8 { // CRCs are stored with the lowest byte first
			slices.Reverse(got)
		}
		if !bytes.Equal(got, r.want) {
			return n, errors.New("the check at its end does not agree: it is damaged")
		}
	}
	return n, err
}
