package bootloader

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/pending"
	"github.com/respin-project/respin/internal/sandbox"
)

const espFolder = "boot/efi/EFI"

// configureEFI points the distribution's own GRUB on the EFI system partition
// to its configuration; where the distribution has not packaged one, it makes one.
func (l *Loader) configureEFI(ctx context.Context, p platform) error {
	boot := l.Plan.Find("/boot/grub2")
	stub := fmt.Sprintf("search --no-floppy --fs-uuid --set=dev %s\nset prefix=($dev)%s\nexport prefix\nconfigfile $prefix/grub.cfg\n",
		boot.Partition.FS.UUID, l.Plan.OnDisk("/boot/grub2"))
	packaged, err := filepath.Glob(filepath.Join(l.Tree, espFolder, "*", "grub"+p.efi+".efi"))
	if err != nil {
		return err
	}
	for _, path := range packaged {
		folder, err := filepath.Rel(l.Tree, filepath.Dir(path))
		if err != nil {
			return err
		}
		if err := l.write(filepath.Join(folder, "grub.cfg"), stub, 0o700); err != nil {
			return err
		}
	}
	removable := filepath.Join(espFolder, "BOOT", "BOOT"+strings.ToUpper(p.efi)+".EFI")
	if l.exists(removable) {
		return nil
	}
	image, err := l.makeImage(ctx, p, "/EFI/BOOT", stub)
	if err != nil {
		return err
	}
	return l.write(removable, string(image), 0o700)
}

// modules are what GRUB's core image needs to find and read its configuration.
func (l *Loader) modules(p platform) []string {
	modules := []string{"part_gpt", "part_msdos", "fat", "ext2", "xfs", "btrfs", "normal", "configfile", "search", "search_fs_uuid",
		"linux", "echo", "test", "serial", "terminal", "loadenv", "minicmd", "sleep", "reboot", "halt", "ls", "cat", "all_video"}
	if p.efi != "" {
		modules = append(modules, "efi_gop")
	} else {
		modules = append(modules, "biosdisk")
	}
	for _, optional := range []string{"blscfg", "blsuki", "regexp"} {
		if _, err := os.Stat(filepath.Join(l.Tools, "usr/lib/grub", p.name, optional+".mod")); err == nil {
			modules = append(modules, optional)
		}
	}
	return modules
}

// makeImage has grub2-mkimage make a core image; configuration, if any, is
// built in and run first.
func (l *Loader) makeImage(ctx context.Context, p platform, prefix, configuration string) ([]byte, error) {
	dir, err := pending.NewFolder("respin-grub-")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	args := []string{"grub2-mkimage", "-O", p.name, "-p", prefix, "-o", "/work/image"}
	if configuration != "" {
		if err := os.WriteFile(filepath.Join(dir.Path, "configuration"), []byte(configuration), 0o644); err != nil {
			return nil, err
		}
		args = append(args, "-c", "/work/configuration")
	}
	mounts := []sandbox.Mount{{Source: dir.Path, Target: "/work"}}
	if err := l.run(ctx, l.Tools, true, mounts, append(args, l.modules(p)...)...); err != nil {
		return nil, fmt.Errorf("making GRUB's image for %s: %w", p.name, err)
	}
	return os.ReadFile(filepath.Join(dir.Path, "image"))
}
