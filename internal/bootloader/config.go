package bootloader

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/respin-project/respin/internal/tree"
)

// entryFolder holds the boot entries, in the tree.
const entryFolder = "boot/loader/entries"

// writeEntries writes an entry for each kernel in place of those that are
// there: scriptlets and scripts may have made some that name the builder's own
// root device.
func (l *Loader) writeEntries(versions []string) error {
	r, err := os.OpenRoot(l.Tree) // /boot may be a link that leads out of the tree
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.RemoveAll(entryFolder); err != nil {
		return err
	}
	system, class := l.System()
	for _, v := range versions {
		var b strings.Builder
		fmt.Fprintf(&b, "title %s (%s)\n", system, v)
		fmt.Fprintf(&b, "version %s\n", v)
		fmt.Fprintf(&b, "linux %s\n", l.Plan.OnDisk("/boot/vmlinuz-"+v))
		if initramfs := "/boot/initramfs-" + v + ".img"; l.exists(initramfs) {
			fmt.Fprintf(&b, "initrd %s\n", l.Plan.OnDisk(initramfs))
		}
		fmt.Fprintf(&b, "options %s\n", strings.Join(l.Plan.KernelArguments(), " "))
		fmt.Fprintf(&b, "grub_users $grub_users\ngrub_arg --unrestricted\ngrub_class %s\n", class)
		if err := l.write(filepath.Join(entryFolder, l.Token+"-"+v+".conf"), b.String(), 0o644); err != nil {
			return err
		}
	}
	// What kernel-install gives to the kernels that are installed later.
	return l.write("etc/kernel/cmdline", strings.Join(l.Plan.KernelArguments(), " ")+"\n", 0o644)
}

func (l *Loader) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(l.Tree, path))
	return err == nil
}

// System returns the distribution's name and id from os-release(5).
func (l *Loader) System() (name, id string) {
	name, id = "Linux", "linux"
	text, err := tree.ReadFile(l.Tree, "usr/lib/os-release")
	if err != nil {
		return name, id
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch {
		case value == "":
		case key == "PRETTY_NAME":
			name = value
		case key == "ID":
			id = value
		}
	}
	return name, id
}

// writeConfiguration writes grub.cfg and what grub2-mkconfig would read.
func (l *Loader) writeConfiguration(versions []string) error {
	boot := l.Plan.Find("/boot/grub2")
	var b strings.Builder
	b.WriteString("# Made from the kickstart. grub2-mkconfig replaces it.\n")
	b.WriteString("if [ -s $prefix/grubenv ]; then\n  load_env\nfi\n")
	b.WriteString("if [ -n \"$next_entry\" ]; then\n  set default=$next_entry\n  set next_entry=\n  save_env next_entry\nelse\n  set default=$saved_entry\nfi\n")
	fmt.Fprintf(&b, "set timeout=%d\n", l.Plan.Boot.Timeout)
	if command := l.serial(); command != "" {
		fmt.Fprintf(&b, "%s\nterminal_input serial console\nterminal_output serial console\n", command)
	}
	for _, module := range []string{"part_gpt", "part_msdos", "ext2", "xfs", "btrfs"} {
		fmt.Fprintf(&b, "insmod %s\n", module)
	}
	fmt.Fprintf(&b, "search --no-floppy --fs-uuid --set=root %s\nset boot=$root\n", boot.Partition.FS.UUID)
	l.writeMenu(&b, versions)
	for _, f := range []struct{ name, text string }{
		{"boot/grub2/grub.cfg", b.String()},
		{"boot/grub2/grubenv", emptyEnvironment()},
		{"etc/default/grub", l.defaults()},
	} {
		if err := l.write(f.name, f.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeMenu lets GRUB read the boot entries, or spells them out for a GRUB that cannot.
func (l *Loader) writeMenu(b *strings.Builder, versions []string) {
	entries := l.Plan.OnDisk("/" + entryFolder)
	switch {
	case l.hasModule("blscfg"): // Fedora's own
		fmt.Fprintf(b, "set blsdir=%s\ninsmod blscfg\nblscfg\n", entries)
	case l.hasModule("blsuki"): // GRUB 2.14
		fmt.Fprintf(b, "insmod blsuki\nblscfg --path %s\n", entries)
	default:
		system, class := l.System()
		for _, v := range versions {
			fmt.Fprintf(b, "menuentry '%s (%s)' --class %s --unrestricted {\n", strings.ReplaceAll(system, "'", ""), v, class)
			fmt.Fprintf(b, "  linux %s %s\n", l.Plan.OnDisk("/boot/vmlinuz-"+v), strings.Join(l.Plan.KernelArguments(), " "))
			if initramfs := "/boot/initramfs-" + v + ".img"; l.exists(initramfs) {
				fmt.Fprintf(b, "  initrd %s\n", l.Plan.OnDisk(initramfs))
			}
			b.WriteString("}\n")
		}
	}
}

// serialConsole matches the kernel argument for one.
var serialConsole = regexp.MustCompile(`^console=ttyS(\d),(\d+)`)

// serial is GRUB's command for the serial line that the kernel will use; "" if there is none.
func (l *Loader) serial() string {
	for _, a := range l.Plan.Boot.Append {
		if m := serialConsole.FindStringSubmatch(a); m != nil {
			return fmt.Sprintf("serial --unit=%s --speed=%s", m[1], m[2])
		}
	}
	return ""
}

// emptyEnvironment is a GRUB environment block that sets nothing: 1024 bytes
// (GRUB manual, "Environment block").
func emptyEnvironment() string {
	const head = "# GRUB Environment Block\n"
	return head + strings.Repeat("#", 1024-len(head))
}

// defaults is /etc/default/grub, for grub2-mkconfig.
func (l *Loader) defaults() string {
	var b strings.Builder
	fmt.Fprintf(&b, "GRUB_TIMEOUT=%d\n", l.Plan.Boot.Timeout)
	b.WriteString("GRUB_DISTRIBUTOR=\"$(sed 's, release .*$,,g' /etc/system-release)\"\n")
	b.WriteString("GRUB_DEFAULT=saved\nGRUB_DISABLE_SUBMENU=true\n")
	if command := l.serial(); command != "" {
		fmt.Fprintf(&b, "GRUB_TERMINAL=\"serial console\"\nGRUB_SERIAL_COMMAND=\"%s\"\n", command)
	}
	fmt.Fprintf(&b, "GRUB_CMDLINE_LINUX=\"%s\"\n", strings.ReplaceAll(strings.Join(l.Plan.Boot.Append, " "), `"`, `\"`))
	b.WriteString("GRUB_DISABLE_RECOVERY=\"true\"\nGRUB_ENABLE_BLSCFG=true\n")
	return b.String()
}
