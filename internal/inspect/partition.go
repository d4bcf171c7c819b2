package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// A Table is a partition table.
type Table struct {
	Type       string      `json:"type"`         // "gpt" or "mbr"
	ID         string      `json:"id,omitempty"` // a GUID, or eight hex digits
	SectorSize int64       `json:"sector_size"`  // bytes
	Partitions []Partition `json:"partitions"`
}

// A Partition is one of a table.
type Partition struct {
	Number     int         `json:"number"` // counts from 1; logical ones of an MBR from 5
	Start      int64       `json:"start"`  // bytes
	Size       int64       `json:"size"`   // bytes
	Type       string      `json:"type"`   // a GUID, or two hex digits
	TypeName   string      `json:"type_name,omitempty"`
	Name       string      `json:"name,omitempty"`
	ID         string      `json:"id,omitempty"`
	Bootable   bool        `json:"bootable,omitempty"`
	FileSystem *FileSystem `json:"file_system,omitempty"`
}

const (
	maxEntries = 1024 // of a GPT; there are 128 in practice
	maxLogical = 128  // partitions in the chain of an MBR, which may be a loop
)

// typeNames are the partition types that Linux images have: from the UEFI
// specification, the Discoverable Partitions Specification and the list of MBR types.
var typeNames = map[string]string{
	"c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI System",
	"21686148-6449-6e6f-744e-656564454649": "BIOS boot",
	"9e1a2d38-c612-4316-aa26-8b49521e5a8b": "PowerPC PReP boot",
	"bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
	"0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux filesystem",
	"4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
	"b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM 64)",
	"933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
	"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
	"e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
	"a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
	"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
	"05":                                   "Extended", "0f": "Extended", "85": "Linux extended",
	"0b": "FAT32", "0c": "FAT32", "06": "FAT16", "0e": "FAT16",
	"41": "PowerPC PReP boot", "82": "Linux swap", "83": "Linux", "8e": "Linux LVM", "ef": "EFI System", "fd": "Linux RAID",
}

// readTable returns the disk's partition table, nil if it has none.
func readTable(d disk) (*Table, error) {
	for _, sector := range []int64{512, 4096} {
		head := make([]byte, 92)
		if _, err := d.ReadAt(head, sector); err != nil && err != io.EOF {
			return nil, err
		}
		if bytes.HasPrefix(head, []byte("EFI PART")) {
			return readGPT(d, head, sector)
		}
	}
	return readMBR(d)
}

// readGPT reads a GUID partition table, chapter 5 of the UEFI specification.
func readGPT(d disk, head []byte, sector int64) (*Table, error) {
	le := binary.LittleEndian
	if size := le.Uint32(head[12:]); size != 92 {
		return nil, fmt.Errorf("the GPT's header has %d bytes instead of 92", size)
	}
	sum := le.Uint32(head[16:])
	bare := bytes.Clone(head)
	clear(bare[16:20])
	if crc32.ChecksumIEEE(bare) != sum {
		return nil, errors.New("the GPT's header is damaged")
	}
	at, count, size := le.Uint64(head[72:]), le.Uint32(head[80:]), le.Uint32(head[84:])
	if count > maxEntries || size < 128 || size > 4096 || at > uint64(d.Size()/sector) {
		return nil, fmt.Errorf("the GPT's %d entries of %d bytes at sector %d are not possible", count, size, at)
	}
	entries := make([]byte, int(count)*int(size))
	if _, err := d.ReadAt(entries, int64(at)*sector); err != nil {
		return nil, fmt.Errorf("reading the GPT's entries: %w", err)
	}
	if crc32.ChecksumIEEE(entries) != le.Uint32(head[88:]) {
		return nil, errors.New("the GPT's entries are damaged")
	}
	t := &Table{Type: "gpt", ID: guid(head[56:]), SectorSize: sector, Partitions: []Partition{}}
	for i := range int(count) {
		e := entries[i*int(size):]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		if last < first || last >= uint64(d.Size()/sector) {
			return nil, fmt.Errorf("the GPT's partition %d, sectors %d to %d, is not on the disk", i+1, first, last)
		}
		kind := guid(e)
		t.Partitions = append(t.Partitions, Partition{
			Number:   i + 1,
			Start:    int64(first) * sector,
			Size:     int64(last-first+1) * sector,
			Type:     kind,
			TypeName: typeNames[kind],
			Name:     utf16Name(e[56:128]),
			ID:       guid(e[16:]),
		})
	}
	return t, nil
}

// guid writes a GUID, whose first three parts are little-endian.
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

func utf16Name(b []byte) string {
	var units []uint16
	for ; len(b) >= 2 && (b[0] != 0 || b[1] != 0); b = b[2:] {
		units = append(units, binary.LittleEndian.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// readMBR reads the table of a master boot record, nil if there is none.
func readMBR(d disk) (*Table, error) {
	sector := make([]byte, 512)
	if _, err := d.ReadAt(sector, 0); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if !isMBR(sector) {
		return nil, nil
	}
	t := &Table{Type: "mbr", ID: fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sector[440:])), SectorSize: 512, Partitions: []Partition{}}
	for i := range 4 {
		p := mbrEntry(sector, i, i+1, 0)
		if p.Size == 0 {
			continue
		}
		if p.Start+p.Size > d.Size() {
			return nil, fmt.Errorf("the MBR's partition %d, bytes %d to %d, is not on the disk", i+1, p.Start, p.Start+p.Size)
		}
		t.Partitions = append(t.Partitions, p)
		if p.TypeName == "Extended" || p.TypeName == "Linux extended" {
			logical, err := readChain(d, p.Start)
			if err != nil {
				return nil, err
			}
			t.Partitions = append(t.Partitions, logical...)
		}
	}
	return t, nil
}

// isMBR tells a table from the boot sector of a file system, which has the
// same last bytes: an entry's first byte is 0 or 80 hex, and one is in use.
func isMBR(sector []byte) bool {
	if sector[510] != 0x55 || sector[511] != 0xaa {
		return false
	}
	used := false
	for i := range 4 {
		e := sector[446+16*i:]
		if e[0]&0x7f != 0 {
			return false
		}
		used = used || e[4] != 0 && binary.LittleEndian.Uint32(e[12:]) != 0
	}
	return used && !bytes.HasPrefix(sector[54:], []byte("FAT")) && !bytes.HasPrefix(sector[82:], []byte("FAT32"))
}

// mbrEntry is the entry i of a table in a sector; base is what its start counts from, bytes.
func mbrEntry(sector []byte, i, number int, base int64) Partition {
	e := sector[446+16*i:]
	kind := fmt.Sprintf("%02x", e[4])
	return Partition{
		Number:   number,
		Start:    base + 512*int64(binary.LittleEndian.Uint32(e[8:])),
		Size:     512 * int64(binary.LittleEndian.Uint32(e[12:])),
		Type:     kind,
		TypeName: typeNames[kind],
		Bootable: e[0] == 0x80,
	}
}

// readChain follows the logical partitions in an extended one.
func readChain(d disk, extended int64) ([]Partition, error) {
	var found []Partition
	sector := make([]byte, 512)
	for at := extended; len(found) < maxLogical; {
		if _, err := d.ReadAt(sector, at); err != nil {
			return nil, fmt.Errorf("reading the logical partition at byte %d: %w", at, err)
		}
		p := mbrEntry(sector, 0, 5+len(found), at)
		if sector[510] != 0x55 || sector[511] != 0xaa || p.Size == 0 {
			return found, nil
		}
		if p.Start+p.Size > d.Size() {
			return nil, fmt.Errorf("the logical partition at byte %d is not on the disk", p.Start)
		}
		found = append(found, p)
		next := mbrEntry(sector, 1, 0, extended)
		if next.Size == 0 {
			return found, nil
		}
		at = next.Start
	}
	return nil, fmt.Errorf("there are more than %d logical partitions", maxLogical)
}
