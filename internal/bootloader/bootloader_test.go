package bootloader

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/kickstart"
)

var update = flag.Bool("update", false, "write the golden files anew")

const cloud = `
bootloader --timeout=1 --location=mbr --append="no_timer_check console=tty1 console=ttyS0,115200n8"
part biosboot  --size=1    --fstype=biosboot
part /boot/efi --size=100  --fstype=efi
part /boot     --size=1000 --fstype=ext4 --label=boot
part btrfs.1   --size=2000 --fstype=btrfs --grow
btrfs none --label=fedora btrfs.1
btrfs / --subvol --name=root LABEL=fedora
`

const whole = "bootloader --append=\"quiet\"\nreqpart\npart / --size=1000 --fstype=ext4\n"

func newLoader(t *testing.T, text string, modules ...string) *Loader {
	t.Helper()
	k, err := (&kickstart.Loader{}).Read(context.Background(), "test.ks", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := disk.NewPlan(k, disk.Options{Arch: "x86_64", Seed: disk.NewSeed("test")})
	if err != nil {
		t.Fatal(err)
	}
	l := &Loader{Tree: t.TempDir(), Tools: t.TempDir(), Plan: plan, Arch: "x86_64", Token: strings.Repeat("0a", 16)}
	for _, v := range []string{"6.9.0-1.fc43.x86_64", "6.10.0-1.fc43.x86_64"} {
		for _, name := range []string{"usr/lib/modules/" + v + "/vmlinuz", "usr/lib/modules/" + v + "/config", "boot/initramfs-" + v + ".img"} {
			write(t, l.Tree, name, v)
		}
	}
	write(t, l.Tree, "usr/lib/modules/6.8.0-debug/kernel/x.ko", "")
	write(t, l.Tree, "usr/lib/os-release", "ID=fedora\nPRETTY_NAME=\"Fedora Linux 43 (Cloud Edition)\"\n")
	write(t, l.Tree, "boot/loader/entries/builder.conf", "options root=/dev/sda1")
	write(t, l.Tree, "boot/efi/EFI/fedora/grubx64.efi", "GRUB")
	write(t, l.Tree, "boot/efi/EFI/BOOT/BOOTX64.EFI", "shim")
	for _, m := range append(modules, "normal") {
		write(t, l.Tools, "usr/lib/grub/i386-pc/"+m+".mod", m)
	}
	write(t, l.Tools, "usr/lib/grub/i386-pc/moddep.lst", "")
	write(t, l.Tools, "usr/lib/grub/i386-pc/boot.img", "")
	return l
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every text that Configure writes, for the three ways in which GRUB learns of the entries.
func TestConfigure(t *testing.T) {
	for name, l := range map[string]*Loader{
		"fedora": newLoader(t, cloud, "blscfg"),
		"blsuki": newLoader(t, cloud, "blsuki"),
		"plain":  newLoader(t, whole),
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"6.9.0-1.fc43.x86_64", "6.10.0-1.fc43.x86_64"} {
				if err := l.copyKernel(v); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Configure(context.Background()); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			for _, pattern := range []string{"boot/loader/entries/*", "boot/grub2/grub.cfg", "boot/efi/EFI/*/grub.cfg", "etc/default/grub", "etc/kernel/cmdline", "boot/grub2/i386-pc/*", "boot/vmlinuz-*"} {
				found, _ := filepath.Glob(filepath.Join(l.Tree, pattern))
				for _, path := range found {
					text, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					b.WriteString("-- " + strings.TrimPrefix(path, l.Tree) + " --\n" + strings.TrimSuffix(string(text), "\n") + "\n")
				}
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigureWithoutKernel(t *testing.T) {
	l := newLoader(t, cloud, "blscfg")
	if err := os.RemoveAll(filepath.Join(l.Tree, "usr/lib/modules")); err != nil {
		t.Fatal(err)
	}
	if err := l.Configure(context.Background()); err == nil || !strings.Contains(err.Error(), "there is no kernel in the image") {
		t.Errorf("error is %v", err)
	}
	l.Plan.Boot.None = true
	if err := l.Configure(context.Background()); err != nil {
		t.Errorf("without a boot loader: %v", err)
	}
}

func TestCheck(t *testing.T) {
	if err := newLoader(t, cloud).Check(); err != nil {
		t.Error(err)
	}
	if err := newLoader(t, "part / --size=100 --fstype=ext4").Check(); err == nil || !strings.Contains(err.Error(), "no firmware can boot this disk") {
		t.Errorf("error is %v", err)
	}
	if err := newLoader(t, "bootloader --location=none\npart / --size=100 --fstype=ext4").Check(); err != nil {
		t.Error(err)
	}
}

func TestPatch(t *testing.T) {
	code, core := make([]byte, 512), make([]byte, 30*512+100)
	if err := patch(code, core, 2048, 2048); err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint64(code[0x5c:]); n != 2048 {
		t.Errorf("the boot sector loads sector %d", n)
	}
	if code[0x64] != 0xff || code[0x66] != 0x90 || code[0x67] != 0x90 {
		t.Errorf("the boot drive is not patched: % x", code[0x64:0x68])
	}
	if first, count := binary.LittleEndian.Uint64(core[500:]), binary.LittleEndian.Uint16(core[508:]); first != 2049 || count != 30 {
		t.Errorf("the core image loads %d sectors from %d", count, first)
	}
	if err := patch(code, core, 2048, 30); err == nil || !strings.Contains(err.Error(), "larger --size") {
		t.Errorf("a core image that does not fit: %v", err)
	}
	if err := patch(code[:100], core, 1, 100); err == nil {
		t.Error("a boot sector that is too short was patched")
	}
}
