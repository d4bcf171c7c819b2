// Package bootloader makes a tree and a disk boot with GRUB 2 under BIOS and
// UEFI: kernels in /boot with their Boot Loader Specification entries
// (https://uapi-group.org/specifications/specs/boot_loader_specification/),
// GRUB's configuration and modules, the EFI system partition's files, and
// GRUB's boot code in a disk that is not mounted.
package bootloader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/tree"
)

// A Loader installs GRUB for one image.
type Loader struct {
	Tree  string // the root tree
	Tools string // the buildroot, with grub2-mkimage and GRUB's modules
	Plan  *disk.Plan
	Arch  string // as RPM names it
	Date  int64  // SOURCE_DATE_EPOCH
	Token string // names the boot entries, as a machine-id would; 32 hexadecimal digits
}

// A platform is a kind of firmware that GRUB is built for.
type platform struct {
	name string // GRUB's, such as "x86_64-efi"
	efi  string // of EFI: the suffix of its file names, "x64"
}

func (l *Loader) bios() (platform, bool) {
	return platform{name: "i386-pc"}, l.Arch == "x86_64" && (l.Plan.Label == disk.MBR || l.Plan.Has(disk.BIOSBoot))
}

func (l *Loader) uefi() (platform, bool) {
	p, ok := map[string]platform{"x86_64": {"x86_64-efi", "x64"}, "aarch64": {"arm64-efi", "aa64"}}[l.Arch]
	return p, ok && l.Plan.Has(disk.ESP)
}

// Check reports a plan that no firmware could boot.
func (l *Loader) Check() error {
	_, bios := l.bios()
	_, uefi := l.uefi()
	if l.Plan.Boot.None || bios || uefi {
		return nil
	}
	return errors.New("no firmware can boot this disk: the kickstart has neither a biosboot partition nor one for /boot/efi (reqpart adds them)")
}

// Kernels returns the versions of the kernels in the tree, the newest first.
func (l *Loader) Kernels() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(l.Tree, "usr/lib/modules/*/vmlinuz"))
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, path := range found {
		versions = append(versions, filepath.Base(filepath.Dir(path)))
	}
	slices.SortFunc(versions, func(a, b string) int { return rpm.CompareVersions(b, a) })
	return versions, nil
}

// Initramfs puts each kernel into /boot and has the tree's own dracut make its
// initramfs, one that fits every machine.
func (l *Loader) Initramfs(ctx context.Context) error {
	versions, err := l.Kernels()
	if err != nil {
		return err
	}
	for _, v := range versions {
		if err := l.copyKernel(v); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(l.Tree, "usr/bin/dracut")); err != nil {
			continue
		}
		args := []string{"dracut", "--force", "--no-hostonly", "--reproducible", "--quiet", "--kver", v, "/boot/initramfs-" + v + ".img"}
		if err := l.run(ctx, l.Tree, false, nil, args...); err != nil {
			return fmt.Errorf("making the initramfs of kernel %s: %w", v, err)
		}
	}
	return nil
}

// copyKernel does what kernel-install would have done in the transaction.
func (l *Loader) copyKernel(version string) error {
	for _, f := range []struct {
		name string
		mode os.FileMode
	}{{"vmlinuz", 0o755}, {"System.map", 0o600}, {"config", 0o644}} {
		data, err := tree.ReadFile(l.Tree, filepath.Join("usr/lib/modules", version, f.name))
		if errors.Is(err, os.ErrNotExist) && f.name != "vmlinuz" {
			continue
		} else if err != nil {
			return err
		}
		if err := l.write("boot/"+f.name+"-"+version, string(data), f.mode); err != nil {
			return err
		}
	}
	return nil
}

// Configure writes everything that a boot reads: entries, GRUB's configuration
// and modules, and the files of the EFI system partition.
func (l *Loader) Configure(ctx context.Context) error {
	if l.Plan.Boot.None {
		return nil
	}
	versions, err := l.Kernels()
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return errors.New("there is no kernel in the image: install kernel-core, or say bootloader --location=none")
	}
	if err := l.writeEntries(versions); err != nil {
		return err
	}
	if err := l.writeConfiguration(versions); err != nil {
		return err
	}
	if bios, ok := l.bios(); ok {
		if err := l.copyModules(bios); err != nil {
			return err
		}
	}
	if uefi, ok := l.uefi(); ok {
		return l.configureEFI(ctx, uefi)
	}
	return nil
}

// copyModules puts GRUB's modules where its core image looks for them.
func (l *Loader) copyModules(p platform) error {
	from := filepath.Join(l.Tools, "usr/lib/grub", p.name)
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("GRUB's modules for %s: %w", p.name, err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".mod" && ext != ".lst" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := l.write(filepath.Join("boot/grub2", p.name, e.Name()), string(data), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hasModule reports whether GRUB has a module on the platforms in use.
func (l *Loader) hasModule(name string) bool {
	for _, dir := range []string{"i386-pc", "x86_64-efi", "arm64-efi"} {
		if _, err := os.Stat(filepath.Join(l.Tools, "usr/lib/grub", dir, name+".mod")); err == nil {
			return true
		}
	}
	return false
}

// write writes a file of the tree, whatever links there are in its place.
func (l *Loader) write(name, text string, mode os.FileMode) error {
	root, err := os.OpenRoot(l.Tree)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := root.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := root.WriteFile(name, []byte(text), mode); err != nil {
		return err
	}
	return root.Chmod(name, mode)
}

// run runs a program with root as its root.
func (l *Loader) run(ctx context.Context, root string, readOnly bool, mounts []sandbox.Mount, args ...string) error {
	cmd := sandbox.Command{
		Root: root, ReadOnly: readOnly, Args: args, Mounts: mounts,
		Env: sandbox.Environment(fmt.Sprintf("SOURCE_DATE_EPOCH=%d", l.Date)),
	}
	_, err := cmd.Output(ctx)
	return err
}
