package rpmtest

import (
	"encoding/binary"
	"slices"
)

// A Header is a header that is being made.
type Header struct {
	tags []tag
}

type tag struct {
	tag, kind, count uint32
	data             []byte
}

// Set puts a value of any type into the header, in place of one with the same tag.
func (h *Header) Set(t, kind, count uint32, data []byte) {
	h.Delete(t)
	h.tags = append(h.tags, tag{t, kind, count, data})
}

// Delete removes a tag.
func (h *Header) Delete(t uint32) {
	h.tags = slices.DeleteFunc(h.tags, func(x tag) bool { return x.tag == t })
}

func (h *Header) String(t uint32, s string) { h.Set(t, 6, 1, append([]byte(s), 0)) }
func (h *Header) Binary(t uint32, b []byte) { h.Set(t, 7, uint32(len(b)), b) }
func (h *Header) Int16(t uint32, v ...uint16) {
	b, _ := binary.Append(nil, binary.BigEndian, v)
	h.Set(t, 3, uint32(len(v)), b)
}
func (h *Header) Int32(t uint32, v ...uint32) {
	b, _ := binary.Append(nil, binary.BigEndian, v)
	h.Set(t, 4, uint32(len(v)), b)
}
func (h *Header) Strings(t uint32, v ...string) {
	var b []byte
	for _, s := range v {
		b = append(append(b, s...), 0)
	}
	h.Set(t, 8, uint32(len(v)), b)
}

// Bytes returns the header with a region of that tag around it.
func (h *Header) Bytes(region uint32) []byte {
	tags := slices.Clone(h.tags)
	slices.SortStableFunc(tags, func(a, b tag) int { return int(a.tag) - int(b.tag) })
	align := map[uint32]int{3: 2, 4: 4, 5: 8}
	var data, index []byte
	entry := func(tag, kind, offset, count uint32) []byte {
		b, _ := binary.Append(nil, binary.BigEndian, []uint32{tag, kind, offset, count})
		return b
	}
	for _, t := range tags {
		if a := align[t.kind]; a > 0 {
			data = append(data, make([]byte, -len(data)&(a-1))...)
		}
		index = append(index, entry(t.tag, t.kind, uint32(len(data)), t.count)...)
		data = append(data, t.data...)
	}
	index = append(entry(region, 7, uint32(len(data)), 16), index...)
	data = append(data, entry(region, 7, uint32(-len(index)), 16)...)
	head, _ := binary.Append([]byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}, binary.BigEndian, []uint32{uint32(len(index) / 16), uint32(len(data))})
	return append(append(head, index...), data...)
}

// Value returns the data of a tag, nil if it is not there.
func (h *Header) Value(t uint32) []byte {
	for _, x := range h.tags {
		if x.tag == t {
			return x.data
		}
	}
	return nil
}
