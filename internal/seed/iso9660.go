package seed

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// The layout, in sectors: ECMA-119 leaves the first 16 to the system. The two
// trees, that of ECMA-119 and that of Joliet, name the same files' data.
const (
	sector = 2048

	primaryAt    = 16
	jolietAt     = 17
	terminatorAt = 18
	tablesAt     = 19 // path tables: primary and Joliet, little-endian and big-endian of each
	rootsAt      = 23 // root folders: primary, Joliet
	filesAt      = 25
)

// file is a file in the root folder.
type file struct {
	name string
	data []byte
}

// iso9660 returns a file system that holds files, in the order of their names.
//
// Linux shows the Joliet names as they are. Where it was built without Joliet
// it lowers those of ECMA-119, with the same result; they break that
// standard's rule for letters with their hyphens, which nobody minds.
func iso9660(label string, files []file) []byte {
	at, extents := filesAt, make([]int, len(files))
	for i, f := range files {
		extents[i] = at
		at += (len(f.data) + sector - 1) / sector
	}
	image := make([]byte, at*sector)
	for i, f := range files {
		copy(image[extents[i]*sector:], f.data)
	}
	for i, tree := range []tree{
		{volume: 1, blank: ' ', encode: func(s string) []byte { return []byte(s) }, name: strings.ToUpper, suffix: ".;1"},
		{volume: 2, blank: 0, encode: ucs2, name: func(s string) string { return s }, escape: "%/E"},
	} {
		tables, root := tablesAt+2*i, rootsAt+i
		copy(image[(primaryAt+i)*sector:], tree.descriptor(label, at, tables, root))
		for j, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			copy(image[(tables+j)*sector:], pathTable(order, root))
		}
		folder := image[root*sector:]
		put := func(r []byte) { folder = folder[copy(folder, r):] }
		put(record([]byte{0}, root, sector, true))
		put(record([]byte{1}, root, sector, true))
		for j, f := range files {
			put(record(tree.encode(tree.name(f.name)+tree.suffix), extents[j], len(f.data), false))
		}
	}
	copy(image[terminatorAt*sector:], "\xffCD001\x01")
	return image
}

// tree is what differs between the two views of the files.
type tree struct {
	volume byte                // type of its volume descriptor
	blank  byte                // fills the identifiers that are not given
	escape string              // says in which character set the names are
	encode func(string) []byte // writes a name in it
	name   func(string) string // of a file
	suffix string              // of a file's name
}

// descriptor is the volume descriptor, ECMA-119 8.4 and 8.5.
func (t tree) descriptor(label string, sectors, tables, root int) []byte {
	d := bytes.Repeat([]byte{t.blank}, sector)
	clear(d[881:])
	copy(d, "\x00CD001\x01\x00")
	d[0] = t.volume
	copy(d[40:72], t.encode(label))
	clear(d[72:190])
	copy(d[80:], both32(sectors))
	copy(d[88:], t.escape)
	copy(d[120:], both16(1))      // volumes in the set
	copy(d[124:], both16(1))      // number of this one
	copy(d[128:], both16(sector)) // size of a block
	copy(d[132:], both32(pathTableSize))
	binary.LittleEndian.PutUint32(d[140:], uint32(tables))
	binary.BigEndian.PutUint32(d[148:], uint32(tables+1))
	copy(d[156:], record([]byte{0}, root, sector, true))
	for i := range 4 { // creation, modification, expiration, effective: not given
		copy(d[813+17*i:], "0000000000000000\x00")
	}
	d[881] = 1 // version of the structure
	return d
}

// record is a directory record, ECMA-119 9.1.
func record(id []byte, extent, size int, folder bool) []byte {
	r := make([]byte, 33, 34+len(id))
	copy(r[2:], both32(extent))
	copy(r[10:], both32(size))
	copy(r[18:], []byte{100, 1, 1, 0, 0, 0, 0}) // recorded on 1 January 2000
	if folder {
		r[25] = 2
	}
	copy(r[28:], both16(1)) // volume
	r[32] = byte(len(id))
	r = append(r, id...)
	if len(r)%2 == 1 {
		r = append(r, 0)
	}
	r[0] = byte(len(r))
	return r
}

const pathTableSize = 10

// pathTable holds the root folder alone, ECMA-119 9.4.
func pathTable(order binary.AppendByteOrder, root int) []byte {
	t := order.AppendUint32([]byte{1, 0}, uint32(root))
	t = order.AppendUint16(t, 1) // its own parent
	return append(t, 0, 0)
}

// ucs2 is s in big-endian UCS-2, as Joliet has it.
func ucs2(s string) []byte {
	var b []byte
	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, c)
	}
	return b
}

// both32 is a number in both byte orders, ECMA-119 7.3.3.
func both32(n int) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(n)), uint32(n))
}

// both16 is a number in both byte orders, ECMA-119 7.2.3.
func both16(n int) []byte {
	return binary.BigEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, uint16(n)), uint16(n))
}
