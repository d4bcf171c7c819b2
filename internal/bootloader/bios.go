package bootloader

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/respin-project/respin/internal/disk"
)

// Where GRUB's boot code keeps what an installer has to fill in:
// grub-core/boot/i386/pc/boot.S and diskboot.S, include/grub/i386/pc/boot.h.
const (
	bootCodeSize     = 440  // boot code in the first sector, before the disk's signature
	bootKernelSector = 0x5c // 8 bytes: the core image's first sector
	bootDrive        = 0x64 // 1 byte: 0xff is the drive that the firmware booted
	bootDriveCheck   = 0x66 // 2 bytes: a jump over a workaround, to be two NOPs
	blockList        = disk.Sector - 12
	coreSegment      = 0x820 // where the rest of the core image is loaded
	gapSectors       = disk.MiB/disk.Sector - 1
)

// Embed writes GRUB's boot code for BIOS to a disk that has its partition
// table: the core image into the biosboot partition, or into the gap before
// the first partition of an MBR. It does nothing where BIOS is not to boot.
func (l *Loader) Embed(ctx context.Context, w io.WriterAt) error {
	p, ok := l.bios()
	if !ok || l.Plan.Boot.None {
		return nil
	}
	boot := l.Plan.Find("/boot/grub2")
	table := map[disk.Label]string{disk.GPT: "gpt", disk.MBR: "msdos"}[l.Plan.Label]
	prefix := fmt.Sprintf("(,%s%d)%s", table, boot.Partition.Number, l.Plan.OnDisk("/boot/grub2"))
	core, err := l.makeImage(ctx, p, prefix, "")
	if err != nil {
		return err
	}
	code, err := os.ReadFile(filepath.Join(l.Tools, "usr/lib/grub", p.name, "boot.img"))
	if err != nil {
		return fmt.Errorf("GRUB's boot sector: %w", err)
	}
	start, room := int64(1), int64(gapSectors)
	if l.Plan.Label == disk.GPT {
		part := l.Plan.Role(disk.BIOSBoot)
		start, room = part.Start/disk.Sector, part.Size/disk.Sector
	}
	if err := patch(code, core, start, room); err != nil {
		return err
	}
	if _, err := w.WriteAt(code[:bootCodeSize], 0); err != nil {
		return fmt.Errorf("writing the boot sector: %w", err)
	}
	if _, err := w.WriteAt(core, start*disk.Sector); err != nil {
		return fmt.Errorf("writing GRUB's core image: %w", err)
	}
	return nil
}

// patch makes the boot sector load the core image from the sector start, and
// the core image's first sector load the rest of it.
func patch(code, core []byte, start, room int64) error {
	if len(code) < bootCodeSize || len(core) < disk.Sector {
		return fmt.Errorf("GRUB's images are too short: %d and %d bytes", len(code), len(core))
	}
	sectors := int64(len(core)+disk.Sector-1) / disk.Sector
	if sectors > room {
		return fmt.Errorf("GRUB's core image takes %d KiB, the space for it has %d: give the biosboot partition a larger --size", sectors/2, room/2)
	}
	binary.LittleEndian.PutUint64(code[bootKernelSector:], uint64(start))
	code[bootDrive] = 0xff
	code[bootDriveCheck], code[bootDriveCheck+1] = 0x90, 0x90
	binary.LittleEndian.PutUint64(core[blockList:], uint64(start+1))
	binary.LittleEndian.PutUint16(core[blockList+8:], uint16(sectors-1))
	binary.LittleEndian.PutUint16(core[blockList+10:], coreSegment)
	return nil
}
