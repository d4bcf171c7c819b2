package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/kickstart"
)

func parse(t *testing.T, text string) *kickstart.Kickstart {
	t.Helper()
	k, err := (&kickstart.Loader{}).Read(context.Background(), "test.ks", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func plan(t *testing.T, text string, o Options) *Plan {
	t.Helper()
	if o.Arch == "" {
		o.Arch = "x86_64"
	}
	o.Seed = NewSeed("test")
	p, err := NewPlan(parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// layout is a plan as a few words, for comparing.
func layout(p *Plan) []string {
	lines := []string{fmt.Sprintf("%s %d MiB", p.Label, p.Size/MiB)}
	for _, part := range p.Partitions {
		line := fmt.Sprintf("%d %s at %d, %d MiB", part.Number, part.Role, part.Start/MiB, part.Size/MiB)
		if fs := part.FS; fs != nil {
			line += fmt.Sprintf(": %s %q on %q", fs.Type, fs.Label, fs.Mount)
			for _, v := range fs.Subvolumes {
				line += fmt.Sprintf(", %s on %q", v.Name, v.Mount)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

const fedoraCloud = `
bootloader --timeout=1 --location=mbr --append="no_timer_check console=tty1 console=ttyS0,115200n8"
clearpart --all --initlabel --disklabel=gpt
part prepboot  --size=4    --fstype=prepboot
part biosboot  --size=1    --fstype=biosboot
part /boot/efi --size=100  --fstype=efi
part /boot     --size=1000  --fstype=ext4 --label=boot
part btrfs.007 --size=2000 --fstype=btrfs --grow --fsoptions="compress=zstd:1"
btrfs none --label=fedora btrfs.007
btrfs /home --subvol --name=home LABEL=fedora
btrfs /     --subvol --name=root LABEL=fedora
`

func TestPlans(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		o    Options
		want []string
	}{
		"fedora cloud": {fedoraCloud, Options{}, []string{
			"gpt 5120 MiB",
			"1 prepboot at 1, 4 MiB",
			"2 biosboot at 5, 1 MiB",
			`3 efi at 6, 100 MiB: vfat "" on "/boot/efi"`,
			`4 boot at 106, 1000 MiB: ext4 "boot" on "/boot"`,
			`5 root at 1106, 4013 MiB: btrfs "fedora" on "", home on "/home", root on "/"`,
		}},
		"no growth, exact size": {"reqpart\npart / --size=1000 --fstype=xfs", Options{}, []string{
			"gpt 1203 MiB",
			"1 biosboot at 1, 1 MiB",
			`2 efi at 2, 200 MiB: vfat "" on "/boot/efi"`,
			`3 root at 202, 1000 MiB: xfs "" on "/"`,
		}},
		"growing ones come last, root the very last": {"part / --size=100 --grow\npart /var --size=300 --grow --maxsize=400\npart swap --size=64", Options{Size: 1000 * MiB}, []string{
			"gpt 1000 MiB",
			`1 swap at 1, 64 MiB: swap "" on "swap"`,
			`2 data at 65, 400 MiB: ext4 "" on "/var"`,
			`3 root at 465, 534 MiB: ext4 "" on "/"`,
		}},
		"autopart on Fedora": {"autopart", Options{Size: 8 << 30}, []string{
			"gpt 8192 MiB",
			"1 biosboot at 1, 1 MiB",
			`2 efi at 2, 200 MiB: vfat "" on "/boot/efi"`,
			`3 boot at 202, 1024 MiB: ext4 "" on "/boot"`,
			`4 root at 1226, 6965 MiB: btrfs "" on "", root on "/", home on "/home"`,
		}},
		"autopart on an ARM machine": {"autopart --type=plain --fstype=ext4 --noboot", Options{Arch: "aarch64", Size: 2 << 30}, []string{
			"gpt 2048 MiB",
			`1 efi at 1, 200 MiB: vfat "" on "/boot/efi"`,
			`2 root at 201, 1846 MiB: ext4 "" on "/"`,
		}},
		"msdos": {"clearpart --all --disklabel=msdos\npart / --size=500 --fstype=ext4", Options{}, []string{
			"mbr 502 MiB",
			`1 root at 1, 500 MiB: ext4 "" on "/"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, layout(plan(t, tt.text, tt.o))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlanErrors(t *testing.T) {
	for text, want := range map[string]string{
		"part pv.01 --size=100\nvolgroup vg pv.01\nlogvol / --vgname=vg --name=root --size=100": "test.ks:2:1: volgroup: LVM is not supported yet",
		"part / --size=100 --encrypted --passphrase=x":                                          "part: --encrypted is not supported",
		"part /boot --size=100":               "no partition or subvolume is mounted on /",
		"part / --fstype=reiserfs --size=100": `file system "reiserfs" is not supported`,
		"part / --fstype=ext4":                "part /: give it a --size",
		"part / --size=100\nbtrfs /home --subvol --name=home LABEL=nowhere": `there is no volume "LABEL=nowhere"`,
		"autopart --type=lvm":                                "--type=lvm is not supported yet",
		"bootloader --location=partition\npart / --size=100": "--location=partition is not supported",
		"part / --size=2000":                                 "the partitions take 2.0 GiB, the disk has 1.0 GiB",
	} {
		_, err := NewPlan(parse(t, text), Options{Arch: "x86_64", Size: 1 << 30})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q", text, err, want)
		}
	}
}

// Every complaint comes at once, each with its place.
func TestPlanReportsEverything(t *testing.T) {
	_, err := NewPlan(parse(t, "part / --size=100 --encrypted --passphrase=x\npart /var --fstype=zfs --size=1\nbootloader --password=x"), Options{Arch: "x86_64"})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 3 {
		t.Fatalf("error is %v, want three", err)
	}
	for _, err := range joined.Unwrap() {
		if d, ok := errors.AsType[*kickstart.Diagnostic](err); !ok || d.At.Line == 0 {
			t.Errorf("%v has no place", err)
		}
	}
}

func TestFstabAndKernelArguments(t *testing.T) {
	p := plan(t, fedoraCloud+"part swap --size=16\n", Options{})
	boot, root, esp, swap := p.Role(XBOOTLDR).FS.UUID, p.Role(Root).FS.UUID, p.Role(ESP).FS.UUID, p.Role(Swap).FS.UUID
	want := "UUID=" + root + " / btrfs subvol=root,compress=zstd:1 0 0\n" +
		"UUID=" + boot + " /boot ext4 defaults 0 2\n" +
		"UUID=" + esp + " /boot/efi vfat umask=0077,shortname=winnt 0 2\n" +
		"UUID=" + root + " /home btrfs subvol=home,compress=zstd:1 0 0\n" +
		"UUID=" + swap + " none swap defaults 0 0\n"
	if diff := cmp.Diff(want, p.Fstab()); diff != "" {
		t.Error(diff)
	}
	wantArguments := "root=UUID=" + root + " ro rootflags=subvol=root no_timer_check console=tty1 console=ttyS0,115200n8"
	if got := strings.Join(p.KernelArguments(), " "); got != wantArguments {
		t.Errorf("kernel arguments are %q, want %q", got, wantArguments)
	}
}

func TestOnDisk(t *testing.T) {
	separate := plan(t, fedoraCloud, Options{})
	whole := plan(t, "autopart --type=btrfs --noboot", Options{})
	for _, tt := range []struct {
		p          *Plan
		path, want string
	}{
		{separate, "/boot/vmlinuz-1", "/vmlinuz-1"},
		{separate, "/boot/efi/EFI/x", "/EFI/x"},
		{separate, "/etc/fstab", "/root/etc/fstab"},
		{separate, "/home/a", "/home/a"},
		{separate, "/homes", "/root/homes"},
		{whole, "/boot/vmlinuz-1", "/root/boot/vmlinuz-1"},
	} {
		if got := tt.p.OnDisk(tt.path); got != tt.want {
			t.Errorf("%s is at %s, want %s", tt.path, got, tt.want)
		}
	}
}

// The partition tables are as other programs read them.
func TestTables(t *testing.T) {
	if _, err := exec.LookPath("sfdisk"); err != nil {
		t.Skip("SKIP: no sfdisk to read partition tables with")
	}
	type table struct {
		PartitionTable struct {
			Label      string
			ID         string
			Partitions []struct {
				Start, Size int64
				Type, UUID  string
				Bootable    bool
			}
		}
	}
	for _, text := range []string{fedoraCloud, "clearpart --all --disklabel=msdos\npart /boot --size=100 --fstype=ext4\npart / --size=500 --fstype=ext4\npart swap --size=10"} {
		p := plan(t, text, Options{})
		f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(p.Size); err != nil {
			t.Fatal(err)
		}
		if err := p.WriteTable(f, "x86_64"); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("sfdisk", "--verify", f.Name()).CombinedOutput(); err != nil || !strings.Contains(string(out), "No errors detected") {
			t.Errorf("sfdisk --verify: %v\n%s", err, out)
		}
		out, err := exec.Command("sfdisk", "--json", f.Name()).Output()
		if err != nil {
			t.Fatal(err)
		}
		var got table
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if len(got.PartitionTable.Partitions) != len(p.Partitions) {
			t.Fatalf("sfdisk finds %d partitions, want %d", len(got.PartitionTable.Partitions), len(p.Partitions))
		}
		for i, g := range got.PartitionTable.Partitions {
			want := p.Partitions[i]
			if g.Start*Sector != want.Start || g.Size*Sector != want.Size {
				t.Errorf("partition %d: %+v, want %+v", i+1, g, want)
			}
			if p.Label == GPT && !strings.EqualFold(g.UUID, want.UUID) {
				t.Errorf("partition %d: UUID %s, want %s", i+1, g.UUID, want.UUID)
			}
			if p.Label == GPT && want.Role == Root && !strings.EqualFold(g.Type, gptRoots["x86_64"]) {
				t.Errorf("the root partition has type %s", g.Type)
			}
			if p.Label == MBR && g.Bootable != (want.Role == XBOOTLDR) {
				t.Errorf("partition %d: bootable is %v", i+1, g.Bootable)
			}
		}
	}
}

func TestSeed(t *testing.T) {
	a, b := NewSeed("ab", "c"), NewSeed("a", "bc")
	if a == b {
		t.Error("different parts give the same seed")
	}
	if a.UUID("x") != NewSeed("ab", "c").UUID("x") || a.UUID("x") == a.UUID("y") {
		t.Error("UUIDs do not follow from seed and purpose alone")
	}
	if u := a.UUID("x"); len(u) != 36 || u[14] != '4' || !strings.ContainsRune("89ab", rune(u[19])) {
		t.Errorf("%s is no random UUID", u)
	}
}

func TestSplit(t *testing.T) {
	dir := t.TempDir()
	tree, work := filepath.Join(dir, "tree"), filepath.Join(dir, "work")
	for _, name := range []string{"boot/efi/EFI/BOOT", "boot/grub2", "home/a", "etc"} {
		if err := os.MkdirAll(filepath.Join(tree, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(tree, "home"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	tops, err := plan(t, fedoraCloud, Options{}).split(tree, work)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		partition int
		path      string
		mode      os.FileMode
		entries   int
	}{
		{3, "EFI/BOOT", 0o755, 0}, {4, "grub2", 0o755, 0}, {4, "efi", 0o755, 0},
		{5, "root", 0o755, 3}, {5, "root/boot", 0o755, 0}, {5, "root/home", 0o711, 0}, {5, "home", 0o711, 1},
	} {
		path := filepath.Join(tops[want.partition], want.path)
		st, err := os.Stat(path)
		if err != nil {
			t.Error(err)
			continue
		}
		entries, _ := os.ReadDir(path)
		if st.Mode().Perm() != want.mode || len(entries) != want.entries {
			t.Errorf("partition %d: %s has mode %o and %d entries, want %o and %d", want.partition, want.path, st.Mode().Perm(), len(entries), want.mode, want.entries)
		}
	}
	if _, err := os.Stat(tree); !os.IsNotExist(err) {
		t.Errorf("the tree is still there: %v", err)
	}
}
