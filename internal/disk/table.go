package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf16"
)

// GPT's sizes, in sectors: UEFI specification 2.10, chapter 5.3.
const (
	gptEntries     = 128
	gptEntrySize   = 128
	gptTable       = gptEntries * gptEntrySize / Sector
	gptFirstUsable = 2 + gptTable
	gptTail        = 1 + gptTable // the backup at the disk's end
)

// gptTypes are the partition types. Root's depends on the architecture, so
// that systemd can find it: the Discoverable Partitions Specification.
var gptTypes = map[Role]string{
	BIOSBoot: "21686148-6449-6e6f-744e-656564454649",
	PReP:     "9e1a2d38-c612-4316-aa26-8b49521e5a8b",
	ESP:      "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
	XBOOTLDR: "bc13c2ff-59e6-4262-a352-b275fd6f7172",
	Swap:     "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
	Data:     "0fc63daf-8483-4772-8e79-3d69d8477de4",
}

var gptRoots = map[string]string{
	"x86_64":  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
	"aarch64": "b921b045-1df0-41c3-af44-4c6f280d3fae",
	"ppc64le": "c31c45e6-3f39-412e-80fb-4809c4980599",
	"s390x":   "5eead9a9-fe09-4a1e-a1d7-520d00531306",
	"riscv64": "72ec70a6-cf74-40e6-bd49-4bda08e8f224",
}

// mbrTypes are the partition types of an MBR.
var mbrTypes = map[Role]byte{PReP: 0x41, ESP: 0xef, XBOOTLDR: 0x83, Root: 0x83, Swap: 0x82, Data: 0x83}

// WriteTable writes the partition table; arch is as RPM names it. The boot
// code in the first 440 bytes of the disk stays as it is.
func (p *Plan) WriteTable(w io.WriterAt, arch string) error {
	if p.Label == MBR {
		return p.writeMBR(w)
	}
	return p.writeGPT(w, arch)
}

func (p *Plan) writeGPT(w io.WriterAt, arch string) error {
	sectors := uint64(p.Size / Sector)
	entries := make([]byte, gptEntries*gptEntrySize)
	for i, part := range p.Partitions {
		kind := gptTypes[part.Role]
		if part.Role == Root {
			kind = gptRoots[arch]
		}
		if kind == "" {
			kind = gptTypes[Data]
		}
		entry := entries[i*gptEntrySize:]
		copy(entry, guid(kind))
		copy(entry[16:], guid(part.UUID))
		binary.LittleEndian.PutUint64(entry[32:], uint64(part.Start/Sector))
		binary.LittleEndian.PutUint64(entry[40:], uint64((part.Start+part.Size)/Sector-1))
		for j, c := range utf16.Encode([]rune(string(part.Role))) {
			binary.LittleEndian.PutUint16(entry[56+2*j:], c)
		}
	}
	header := func(own, other, table uint64) []byte {
		var b bytes.Buffer
		b.WriteString("EFI PART")
		for _, v := range []any{
			uint32(0x00010000), uint32(92), uint32(0), uint32(0), // revision, header size, its checksum, reserved
			own, other, uint64(gptFirstUsable), sectors - gptTail - 1,
			[16]byte(guid(p.UUID)), table, uint32(gptEntries), uint32(gptEntrySize), crc32.ChecksumIEEE(entries),
		} {
			binary.Write(&b, binary.LittleEndian, v)
		}
		binary.LittleEndian.PutUint32(b.Bytes()[16:], crc32.ChecksumIEEE(b.Bytes()))
		return append(b.Bytes(), make([]byte, Sector-b.Len())...)
	}
	last := sectors - 1
	return writeAll(w, []piece{
		{446, p.protectiveMBR(sectors)},
		{1 * Sector, header(1, last, 2)},
		{2 * Sector, entries},
		{int64(last-gptTable) * Sector, entries},
		{int64(last) * Sector, header(last, 1, last-gptTable)},
	})
}

// protectiveMBR returns the table of the first sector, from its byte 446 on.
func (p *Plan) protectiveMBR(sectors uint64) []byte {
	table := make([]byte, 66)
	if p.Boot.PMBR {
		table[0] = 0x80
	}
	copy(table[1:], []byte{0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff})
	binary.LittleEndian.PutUint32(table[8:], 1)
	binary.LittleEndian.PutUint32(table[12:], uint32(min(sectors-1, 0xffffffff)))
	table[64], table[65] = 0x55, 0xaa
	return table
}

// writeMBR writes up to four primary partitions.
func (p *Plan) writeMBR(w io.WriterAt) error {
	if len(p.Partitions) > 4 {
		return fmt.Errorf("an MBR holds 4 partitions, the kickstart asks for %d", len(p.Partitions))
	}
	table := make([]byte, 72) // from byte 440 on: signature, reserved, four entries, mark
	copy(table, guid(p.UUID)[:4])
	for i, part := range p.Partitions {
		first, count := part.Start/Sector, part.Size/Sector
		if first+count > 1<<32 {
			return fmt.Errorf("partition %d ends beyond the 2 TiB that an MBR reaches", part.Number)
		}
		entry := table[6+16*i:]
		if part.Role == XBOOTLDR || part.Role == Root && p.Role(XBOOTLDR) == nil {
			entry[0] = 0x80
		}
		copy(entry[1:], []byte{0xfe, 0xff, 0xff, mbrTypes[part.Role], 0xfe, 0xff, 0xff}) // CHS: use the sector numbers
		binary.LittleEndian.PutUint32(entry[8:], uint32(first))
		binary.LittleEndian.PutUint32(entry[12:], uint32(count))
	}
	table[70], table[71] = 0x55, 0xaa
	return writeAll(w, []piece{{440, table}})
}

// A piece is bytes at an offset of the disk.
type piece struct {
	at   int64
	data []byte
}

func writeAll(w io.WriterAt, pieces []piece) error {
	for _, p := range pieces {
		if _, err := w.WriteAt(p.data, p.at); err != nil {
			return fmt.Errorf("writing the partition table: %w", err)
		}
	}
	return nil
}

// guid returns the bytes of a UUID as GPT stores it: the first three groups little-endian.
func guid(uuid string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil || len(b) != 16 {
		panic("disk: " + uuid + " is no UUID") // ours are made by Seed or written above
	}
	for _, group := range [][]byte{b[0:4], b[4:6], b[6:8]} {
		for i, j := 0, len(group)-1; i < j; i, j = i+1, j-1 {
			group[i], group[j] = group[j], group[i]
		}
	}
	return b
}
