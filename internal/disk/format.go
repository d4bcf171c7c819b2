package disk

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// A format makes a file system in the file image, as a tool sees it, with the
// contents of the folder top.
type format func(m *Maker, ctx context.Context, part *Partition, image, top string) error

var formats = map[string]format{
	"ext2":  (*Maker).makeExt,
	"ext3":  (*Maker).makeExt,
	"ext4":  (*Maker).makeExt,
	"xfs":   (*Maker).makeXFS,
	"btrfs": (*Maker).makeBtrfs,
	"vfat":  (*Maker).makeFAT,
	"swap":  (*Maker).makeSwap,
}

func (m *Maker) makeExt(ctx context.Context, part *Partition, image, top string) error {
	fs := part.FS
	args := []string{"mke2fs", "-q", "-F", "-t", fs.Type, "-U", fs.UUID, "-E", "hash_seed=" + fs.UUID + ",nodiscard",
		"-L", fs.Label, "-d", m.inWork(top)}
	args = append(args, fs.Make...)
	return m.tool(ctx, append(args, image)...)
}

// makeXFS needs xfsprogs 6.17, whose -p takes a folder and keeps extended attributes.
func (m *Maker) makeXFS(ctx context.Context, part *Partition, image, top string) error {
	fs := part.FS
	args := []string{"mkfs.xfs", "-q", "-f", "-m", "uuid=" + fs.UUID}
	if fs.Label != "" {
		args = append(args, "-L", fs.Label)
	}
	args = append(args, fs.Make...)
	return m.tool(ctx, append(args, "-p", m.inWork(top), image)...)
}

// makeBtrfs needs btrfs-progs 6.12 for subvolumes and 6.13 for compression.
func (m *Maker) makeBtrfs(ctx context.Context, part *Partition, image, top string) error {
	fs := part.FS
	args := []string{"mkfs.btrfs", "-q", "-f", "-U", fs.UUID, "--device-uuid", m.Seed.UUID(part.UUID + "device")}
	if fs.Label != "" {
		args = append(args, "-L", fs.Label)
	}
	compress := compression(fs.Options)
	for _, v := range fs.Subvolumes {
		args = append(args, "--subvol", "rw:"+v.Name)
		if compress == "" {
			compress = compression(v.Options)
		}
	}
	if compress != "" {
		args = append(args, "--compress", compress)
	}
	args = append(args, fs.Make...)
	return m.tool(ctx, append(args, "--rootdir", m.inWork(top), image)...)
}

// compression is what the mount options say of it: "zstd:1", or "" for none.
func compression(options string) string {
	for o := range strings.SplitSeq(options, ",") {
		for _, name := range []string{"compress=", "compress-force="} {
			if value, ok := strings.CutPrefix(o, name); ok {
				return value
			}
		}
	}
	return ""
}

// fat32Clusters is the least number of clusters of a FAT32, and so of sectors
// when each cluster is one: Microsoft's FAT specification 1.03.
const fat32Clusters = 65525

func (m *Maker) makeFAT(ctx context.Context, part *Partition, image, top string) error {
	mkfs := []string{"mkfs.vfat", "--invariant", "-i", strings.ReplaceAll(part.FS.UUID, "-", "")}
	if part.FS.Label != "" {
		mkfs = append(mkfs, "-n", part.FS.Label)
	}
	if n := part.Size / Sector; n > fat32Clusters+4096 {
		mkfs = append(mkfs, "-F", "32")
		if n < 8*fat32Clusters {
			mkfs = append(mkfs, "-s", "1")
		}
	}
	if err := m.tool(ctx, append(append(mkfs, part.FS.Make...), image)...); err != nil {
		return err
	}
	// File by file in a fixed order: mcopy -s takes them as the folder lists them.
	return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		to := "::" + strings.TrimPrefix(path, top)
		switch {
		case d.IsDir():
			return m.tool(ctx, "mmd", "-i", image, to)
		case d.Type().IsRegular():
			return m.tool(ctx, "mcopy", "-m", "-i", image, m.inWork(path), to)
		}
		return fmt.Errorf("%s is neither a file nor a folder: FAT holds nothing else", strings.TrimPrefix(path, top))
	})
}

func (m *Maker) makeSwap(ctx context.Context, part *Partition, image, _ string) error {
	args := []string{"mkswap", "-q", "-U", part.FS.UUID}
	if part.FS.Label != "" {
		args = append(args, "-L", part.FS.Label)
	}
	return m.tool(ctx, append(args, image)...)
}
