package rpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A Header is a list of tagged values. Values of an unexpected type are as if
// they were missing.
type Header struct {
	blob    []byte // with its magic and lengths: what digests and signatures cover
	data    []byte // the part of blob that values are in
	entries map[Tag]entry
}

// entry is where a value is. Parse has checked that it is inside data.
type entry struct {
	kind   uint32
	offset int // into data
	length int // bytes
	count  int
}

// Types of values.
const (
	typeChar        = 1
	typeInt8        = 2
	typeInt16       = 3
	typeInt32       = 4
	typeInt64       = 5
	typeString      = 6
	typeBin         = 7
	typeStringArray = 8
	typeI18NString  = 9
)

// width of the types with elements of one size, in bytes; values are aligned to it.
var width = map[uint32]int{typeChar: 1, typeInt8: 1, typeInt16: 2, typeInt32: 4, typeInt64: 8, typeBin: 1}

const (
	introSize = 16 // magic, version, reserved, number of entries, bytes of data
	entrySize = 16 // tag, type, offset, count

	// maxElements bounds the strings of one array, each of which may take one
	// byte in the header and many times that in memory.
	maxElements = 4 << 20
)

// limits are what rpm accepts.
type limits struct {
	part    string
	region  Tag
	entries uint32
	data    uint32
}

var (
	signatureLimits = limits{"signature", tagHeaderSignatures, 32, 64 << 20}
	headerLimits    = limits{"header", tagHeaderImmutable, 0xffff, 256<<20 - 1}
)

var magic = []byte{0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0}

// readHeader reads one header. It allocates for what it has read, not for what is claimed.
func readHeader(r io.Reader, l limits) (*Header, error) {
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, introSize); err != nil {
		return nil, malformed(l.part, cut(err))
	}
	if !bytes.HasPrefix(b.Bytes(), magic) {
		return nil, malformed(l.part, errors.New("bad magic"))
	}
	entries, data := binary.BigEndian.Uint32(b.Bytes()[8:]), binary.BigEndian.Uint32(b.Bytes()[12:])
	if entries == 0 || entries > l.entries || data > l.data {
		return nil, malformed(l.part, fmt.Errorf("%d entries with %d bytes are out of bounds", entries, data))
	}
	if _, err := io.CopyN(&b, r, int64(entries)*entrySize+int64(data)); err != nil {
		return nil, malformed(l.part, cut(err))
	}
	h := &Header{blob: b.Bytes(), entries: make(map[Tag]entry)}
	h.data = h.blob[introSize+int(entries)*entrySize:]
	if err := h.parse(int(entries), l.region); err != nil {
		return nil, malformed(l.part, err)
	}
	return h, nil
}

// rawEntry is an index entry as it is stored. Offsets of region trailers are negative.
type rawEntry struct {
	tag, kind uint32
	offset    int32
	count     uint32
}

func decodeEntry(b []byte) rawEntry {
	return rawEntry{
		binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]),
		int32(binary.BigEndian.Uint32(b[8:])), binary.BigEndian.Uint32(b[12:]),
	}
}

// parse checks the index: entries in the order of their data, which do not
// overlap, are aligned, lie inside the header, and are named once.
func (h *Header) parse(entries int, region Tag) error {
	index := h.blob[introSize : introSize+entries*entrySize]
	first := 0
	if Tag(decodeEntry(index).tag) == region {
		if err := h.checkRegion(decodeEntry(index), entries, region); err != nil {
			return fmt.Errorf("region: %w", err)
		}
		first = 1
	}
	end := 0
	for i := first; i < entries; i++ {
		raw := decodeEntry(index[i*entrySize:])
		bad := func(what string) error {
			return fmt.Errorf("entry %d: tag %d of type %d at %d with %d elements: %s", i, raw.tag, raw.kind, raw.offset, raw.count, what)
		}
		switch offset := int(raw.offset); {
		case Tag(raw.tag) < tagI18NTable:
			return bad("misplaced region")
		case offset < end:
			return bad("overlaps the one before")
		case offset >= len(h.data):
			return bad("begins outside the header")
		case width[raw.kind] > 1 && offset%width[raw.kind] != 0:
			return bad("is not aligned")
		}
		length, err := h.length(raw)
		if err != nil {
			return bad(err.Error())
		}
		if _, twice := h.entries[Tag(raw.tag)]; twice {
			return bad("stands there twice")
		}
		h.entries[Tag(raw.tag)] = entry{raw.kind, int(raw.offset), length, int(raw.count)}
		end = int(raw.offset) + length
	}
	return nil
}

// checkRegion checks that the region, which signatures cover, is well-formed and, in the
// header proper, all of the header, so that nothing that was not signed is ever read.
func (h *Header) checkRegion(first rawEntry, entries int, region Tag) error {
	if first.kind != typeBin || first.count != entrySize || first.offset < 0 || int(first.offset) > len(h.data)-entrySize {
		return errors.New("bad entry")
	}
	trailer := decodeEntry(h.data[first.offset:])
	tag := Tag(trailer.tag)
	if region == tagHeaderSignatures && tag == tagHeaderImage {
		tag = region
	}
	if tag != region || trailer.kind != typeBin || trailer.count != entrySize {
		return errors.New("bad trailer")
	}
	length := -int64(trailer.offset) // of the index
	end := int(first.offset) + entrySize
	switch {
	case length%entrySize != 0 || length < entrySize || length > int64(entries)*entrySize:
		return errors.New("bad length")
	case region == tagHeaderImmutable && (length != int64(entries)*entrySize || end != len(h.data)):
		return errors.New("does not cover the whole header")
	}
	return nil
}

// length is how many bytes of data a value takes; the error is a phrase.
func (h *Header) length(raw rawEntry) (int, error) {
	data := h.data[raw.offset:]
	if w := width[raw.kind]; w > 0 {
		if raw.count == 0 || int64(raw.count)*int64(w) > int64(len(data)) {
			return 0, errors.New("does not fit in the header")
		}
		return int(raw.count) * w, nil
	}
	switch {
	case raw.kind < typeString || raw.kind > typeI18NString:
		return 0, errors.New("unknown type")
	case raw.kind == typeString && raw.count != 1, raw.count == 0, raw.count > maxElements:
		return 0, errors.New("bad number of elements")
	}
	length := 0
	for range raw.count {
		i := bytes.IndexByte(data[length:], 0)
		if i < 0 {
			return 0, errors.New("string does not end in the header")
		}
		length += i + 1
	}
	return length, nil
}

// Has reports whether the header has the tag.
func (h *Header) Has(t Tag) bool {
	_, ok := h.entries[t]
	return ok
}

// value returns the bytes of a tag.
func (h *Header) value(t Tag) (entry, []byte) {
	e := h.entries[t]
	return e, h.data[e.offset : e.offset+e.length]
}

// String returns the value of a string tag, or the first of several; "" if it is missing.
func (h *Header) String(t Tag) string {
	switch e, data := h.value(t); e.kind {
	case typeString, typeStringArray, typeI18NString:
		s, _, _ := bytes.Cut(data, []byte{0})
		return string(s)
	}
	return ""
}

// Strings returns the values of a string or string array tag, nil if it is missing.
func (h *Header) Strings(t Tag) []string {
	e, data := h.value(t)
	switch e.kind {
	case typeString, typeStringArray, typeI18NString:
	default:
		return nil
	}
	// One string is allocated and cut, not one for each.
	all, values := string(data), make([]string, e.count)
	for i := range values {
		end := bytes.IndexByte(data, 0)
		values[i], all, data = all[:end], all[end+1:], data[end+1:]
	}
	return values
}

// Ints returns the values of an integer tag of any width, nil if it is missing.
func (h *Header) Ints(t Tag) []uint64 {
	e, data := h.value(t)
	if e.kind < typeChar || e.kind > typeInt64 {
		return nil
	}
	values, w := make([]uint64, e.count), width[e.kind]
	for i := range values {
		for _, b := range data[i*w : i*w+w] {
			values[i] = values[i]<<8 | uint64(b)
		}
	}
	return values
}

// Int returns the first value of an integer tag, 0 if it is missing.
func (h *Header) Int(t Tag) uint64 {
	if values := h.Ints(t); len(values) > 0 {
		return values[0]
	}
	return 0
}

// Bytes returns the value of a binary tag, nil if it is missing. It must not be modified.
func (h *Header) Bytes(t Tag) []byte {
	e, data := h.value(t)
	if e.kind != typeBin {
		return nil
	}
	return data
}
