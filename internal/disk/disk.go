// Package disk turns a root tree into a bootable raw disk: it plans the
// partitions that a kickstart asks for, has the target distribution's own
// tools make the file systems from the tree, without mounting anything and
// without loop devices, and puts partition table, file systems and boot loader
// together in a sparse file.
package disk

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Sector is the size of a logical sector, bytes.
const Sector = 512

// MiB is the unit of kickstart's sizes and the alignment of partitions, bytes.
const MiB = 1 << 20

// Label is the kind of partition table.
type Label string

const (
	GPT Label = "gpt"
	MBR Label = "mbr"
)

// A Plan is a disk's layout.
type Plan struct {
	Label      Label
	Size       int64       // of the disk, bytes
	UUID       string      // of the partition table; for MBR its first four bytes are the signature
	Partitions []Partition // in the order of their numbers and places
	Boot       Bootloader
}

// Role is what a partition is for.
type Role string

const (
	BIOSBoot Role = "biosboot" // holds GRUB's core image
	PReP     Role = "prepboot" // for POWER firmware
	ESP      Role = "efi"      // the EFI system partition
	XBOOTLDR Role = "boot"     // /boot
	Root     Role = "root"     // /
	Swap     Role = "swap"
	Data     Role = "data"
)

// A Partition is one entry of the table. Start and Size are bytes, multiples of MiB.
type Partition struct {
	Number int // counts from 1
	Role   Role
	UUID   string
	Start  int64
	Size   int64
	FS     *Filesystem // nil for BIOSBoot and PReP
}

// A Filesystem is what a partition is formatted with.
type Filesystem struct {
	Type    string // "ext4", "xfs", "btrfs", "vfat", "swap", …
	UUID    string // as fstab names it
	Label   string
	Mount   string   // where it is mounted; "swap" for swap, "" if a btrfs volume is only a home of subvolumes
	Options string   // of fstab, without a subvolume's
	Make    []string // further arguments of mkfs

	Subvolumes []Subvolume // of a btrfs
}

// A Subvolume is a part of a btrfs file system with a mount point of its own.
type Subvolume struct {
	Name    string
	Mount   string
	Options string
}

// Bootloader is what the kickstart says of GRUB.
type Bootloader struct {
	None    bool     // no boot loader at all
	Append  []string // kernel arguments
	Timeout int      // seconds; negative waits for ever
	PMBR    bool     // the protective MBR's entry is marked active
}

// A MountPoint is where a file system or subvolume appears in the tree.
type MountPoint struct {
	Path      string
	Partition *Partition
	Subvolume *Subvolume // nil if it is the file system itself
}

// mountPoints returns where the plan's file systems appear, parents before children.
func (p *Plan) mountPoints() []MountPoint {
	var points []MountPoint
	for i := range p.Partitions {
		part := &p.Partitions[i]
		if part.FS == nil {
			continue
		}
		if strings.HasPrefix(part.FS.Mount, "/") {
			points = append(points, MountPoint{part.FS.Mount, part, nil})
		}
		for j := range part.FS.Subvolumes {
			if v := &part.FS.Subvolumes[j]; v.Mount != "" {
				points = append(points, MountPoint{v.Mount, part, v})
			}
		}
	}
	slices.SortStableFunc(points, func(a, b MountPoint) int { return cmp.Compare(a.Path, b.Path) })
	return points
}

// Find returns the mount point that holds the file or folder at name.
func (p *Plan) Find(name string) MountPoint {
	var found MountPoint
	for _, m := range p.mountPoints() {
		if m.Path == "/" || name == m.Path || strings.HasPrefix(name, m.Path+"/") {
			found = m // later ones are longer
		}
	}
	return found
}

// OnDisk returns the path of a file of the tree as a boot loader sees it,
// from the top of the file system that holds it.
func (p *Plan) OnDisk(name string) string {
	m := p.Find(name)
	inside := strings.TrimPrefix(name, strings.TrimSuffix(m.Path, "/"))
	if m.Subvolume != nil {
		return path.Join("/", m.Subvolume.Name, inside)
	}
	return path.Join("/", inside)
}

// Role returns the first partition with a role, nil if there is none.
func (p *Plan) Role(r Role) *Partition {
	for i := range p.Partitions {
		if p.Partitions[i].Role == r {
			return &p.Partitions[i]
		}
	}
	return nil
}

// Fstab returns the text of /etc/fstab.
func (p *Plan) Fstab() string {
	var b strings.Builder
	line := func(uuid, mount, fstype, options string, dump, pass int) {
		fmt.Fprintf(&b, "UUID=%s %s %s %s %d %d\n", uuid, mount, fstype, options, dump, pass)
	}
	for _, m := range p.mountPoints() {
		fs := m.Partition.FS
		options, pass := fs.Options, 2
		if m.Subvolume != nil {
			options = joinOptions("subvol="+m.Subvolume.Name, m.Subvolume.Options)
		}
		switch {
		case fs.Type == "btrfs" || fs.Type == "xfs":
			pass = 0 // they have no check to run at boot
		case m.Path == "/":
			pass = 1
		}
		line(fs.UUID, m.Path, fs.Type, joinOptions(options), 0, pass)
	}
	for _, part := range p.Partitions {
		if part.FS != nil && part.FS.Type == "swap" {
			line(part.FS.UUID, "none", "swap", joinOptions(part.FS.Options), 0, 0)
		}
	}
	return b.String()
}

// joinOptions joins what is not empty; nothing at all is "defaults".
func joinOptions(options ...string) string {
	options = slices.DeleteFunc(options, func(o string) bool { return o == "" })
	if len(options) == 0 {
		return "defaults"
	}
	return strings.Join(options, ",")
}

// KernelArguments returns the kernel command line, the root file system's place first.
func (p *Plan) KernelArguments() []string {
	root := p.Find("/")
	if root.Partition == nil {
		return p.Boot.Append
	}
	arguments := []string{"root=UUID=" + root.Partition.FS.UUID, "ro"}
	if root.Subvolume != nil {
		arguments = append(arguments, "rootflags=subvol="+root.Subvolume.Name)
	}
	return append(arguments, p.Boot.Append...)
}

// Has reports whether there is a partition with a role.
func (p *Plan) Has(r Role) bool { return p.Role(r) != nil }
