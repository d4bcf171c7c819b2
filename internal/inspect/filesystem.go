package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A FileSystem is what a partition holds.
type FileSystem struct {
	Type  string `json:"type"` // as blkid names it: "ext4", "xfs", "btrfs", "vfat", "swap", ...
	UUID  string `json:"uuid,omitempty"`
	Label string `json:"label,omitempty"`
	Size  int64  `json:"size,omitempty"` // bytes
	Used  int64  `json:"used,omitempty"` // bytes
}

// superblock is enough of a partition to know every file system by.
const superblock = 128 << 10

// probes know one kind each. They return nil for others; short is safe: b has
// as many bytes as superblock says, zeros where the partition is shorter.
var probes = []func(b []byte, part io.ReaderAt) *FileSystem{
	probeExt, probeXFS, probeBtrfs, probeSwap, probeLUKS, probeLVM, probeFAT,
}

// readFileSystem returns the file system in a part of the disk, nil if it knows none.
func readFileSystem(part *io.SectionReader) (*FileSystem, error) {
	b := make([]byte, superblock)
	if _, err := part.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, probe := range probes {
		if fs := probe(b, part); fs != nil {
			if fs.Size < 0 || fs.Used < 0 || fs.Used > fs.Size {
				return nil, fmt.Errorf("the %s file system says that %d of %d bytes are in use", fs.Type, fs.Used, fs.Size)
			}
			return fs, nil
		}
	}
	return nil, nil
}

func uuid(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// text is a string that zeros or spaces follow.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(bytes.TrimRight(b, " "))
}

// probeExt knows ext2, ext3 and ext4 (the kernel's Documentation/filesystems/ext4/super.rst).
func probeExt(b []byte, _ io.ReaderAt) *FileSystem {
	le, s := binary.LittleEndian, b[1024:]
	if le.Uint16(s[0x38:]) != 0xef53 || le.Uint32(s[0x18:]) > 6 {
		return nil
	}
	blockSize := int64(1024) << le.Uint32(s[0x18:])
	compat, incompat, roCompat := le.Uint32(s[0x5c:]), le.Uint32(s[0x60:]), le.Uint32(s[0x64:])
	blocks, free := int64(le.Uint32(s[0x04:])), int64(le.Uint32(s[0x0c:]))
	if incompat&0x80 != 0 { // 64 bits
		blocks |= int64(le.Uint32(s[0x150:])) << 32
		free |= int64(le.Uint32(s[0x158:])) << 32
	}
	kind := "ext2"
	switch {
	case incompat&^0x16 != 0 || roCompat&^7 != 0: // what ext3 does not know, such as extents
		kind = "ext4"
	case compat&4 != 0: // a journal
		kind = "ext3"
	}
	return &FileSystem{kind, uuid(s[0x68:]), text(s[0x78:0x88]), blocks * blockSize, (blocks - free) * blockSize}
}

// probeXFS knows XFS ("XFS Algorithms & Data Structures", superblocks).
func probeXFS(b []byte, _ io.ReaderAt) *FileSystem {
	if !bytes.HasPrefix(b, []byte("XFSB")) {
		return nil
	}
	be := binary.BigEndian
	blockSize := int64(be.Uint32(b[4:]))
	blocks, free := int64(be.Uint64(b[8:])), int64(be.Uint64(b[144:]))
	if blockSize < 512 || blockSize > 65536 || blocks < 0 || blocks > 1<<46 || free < 0 || free > blocks {
		return nil
	}
	return &FileSystem{"xfs", uuid(b[32:]), text(b[108:120]), blocks * blockSize, (blocks - free) * blockSize}
}

// probeBtrfs knows btrfs (btrfs-dev-docs, "Superblock").
func probeBtrfs(b []byte, _ io.ReaderAt) *FileSystem {
	s := b[64<<10:]
	if !bytes.Equal(s[0x40:0x48], []byte("_BHRfS_M")) {
		return nil
	}
	le := binary.LittleEndian
	return &FileSystem{"btrfs", uuid(s[0x20:]), text(s[0x12b:0x22b]), int64(le.Uint64(s[0x70:])), int64(le.Uint64(s[0x78:]))}
}

// probeSwap knows swap space (the kernel's union swap_header), with pages of 4 to 64 KiB.
func probeSwap(b []byte, _ io.ReaderAt) *FileSystem {
	for page := 4 << 10; page <= 64<<10; page *= 2 {
		if bytes.Equal(b[page-10:page], []byte("SWAPSPACE2")) {
			last := int64(binary.LittleEndian.Uint32(b[1028:]))
			return &FileSystem{Type: "swap", UUID: uuid(b[1036:]), Label: text(b[1052:1068]), Size: (last + 1) * int64(page)}
		}
	}
	return nil
}

// probeLUKS knows encrypted partitions (the LUKS1 and LUKS2 specifications).
func probeLUKS(b []byte, _ io.ReaderAt) *FileSystem {
	if !bytes.HasPrefix(b, []byte("LUKS\xba\xbe")) {
		return nil
	}
	fs := &FileSystem{Type: "crypto_LUKS", UUID: text(b[168:208])}
	if binary.BigEndian.Uint16(b[6:]) == 2 {
		fs.Label = text(b[24:72])
	}
	return fs
}

// probeLVM knows physical volumes of LVM, whose label is in one of the first four sectors.
func probeLVM(b []byte, _ io.ReaderAt) *FileSystem {
	for off := 0; off < 4*512; off += 512 {
		if bytes.HasPrefix(b[off:], []byte("LABELONE")) && bytes.Equal(b[off+24:off+32], []byte("LVM2 001")) {
			return &FileSystem{Type: "LVM2_member", UUID: text(b[off+32 : off+64])}
		}
	}
	return nil
}

// probeFAT knows FAT12, FAT16 and FAT32 ("Microsoft Extensible Firmware
// Initiative FAT32 File System Specification" 1.03).
func probeFAT(b []byte, part io.ReaderAt) *FileSystem {
	le := binary.LittleEndian
	sector, cluster := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, fats, roots := int64(le.Uint16(b[14:])), int64(b[16]), int64(le.Uint16(b[17:]))
	if b[510] != 0x55 || b[511] != 0xaa || sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		cluster == 0 || cluster&(cluster-1) != 0 || reserved == 0 || fats == 0 || fats > 2 {
		return nil
	}
	sectors := int64(le.Uint16(b[19:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(b[32:]))
	}
	fatSize := int64(le.Uint16(b[22:]))
	serial, label := b[39:43], b[43:54]
	if fatSize == 0 { // FAT32
		fatSize = int64(le.Uint32(b[36:]))
		serial, label = b[67:71], b[71:82]
	}
	data := sectors - reserved - fats*fatSize - (roots*32+sector-1)/sector
	if fatSize == 0 || data < 0 {
		return nil
	}
	fs := &FileSystem{Type: "vfat", Label: text(label), Size: sectors * sector}
	if fs.Label == "NO NAME" {
		fs.Label = ""
	}
	fs.UUID = fmt.Sprintf("%02X%02X-%02X%02X", serial[3], serial[2], serial[1], serial[0])
	free, err := freeClusters(part, data/cluster, reserved*sector)
	if err != nil {
		return nil
	}
	fs.Used = (sectors - free*cluster) * sector
	return fs
}

// freeClusters counts the entries of the file allocation table at off that are
// zero. The number of clusters says how wide they are.
func freeClusters(part io.ReaderAt, clusters, off int64) (free int64, err error) {
	width := int64(32)
	switch {
	case clusters < 4085:
		width = 12
	case clusters < 65525:
		width = 16
	}
	table := make([]byte, 48<<10) // whole entries of any width
	perPart := int64(len(table)) * 8 / width
	for first := int64(0); first < clusters+2; first += perPart {
		n := min(perPart, clusters+2-first)
		if _, err := part.ReadAt(table[:(n*width+7)/8], off+first*width/8); err != nil {
			return 0, err
		}
		for i := range n {
			if first+i >= 2 && fatEntry(table, i, width) == 0 {
				free++
			}
		}
	}
	return free, nil
}

func fatEntry(table []byte, i, width int64) uint32 {
	switch width {
	case 12:
		v := uint32(table[i*3/2]) | uint32(table[i*3/2+1])<<8
		return v >> (i % 2 * 4) & 0xfff
	case 16:
		return uint32(binary.LittleEndian.Uint16(table[2*i:]))
	}
	return binary.LittleEndian.Uint32(table[4*i:]) & 0x0fffffff
}
