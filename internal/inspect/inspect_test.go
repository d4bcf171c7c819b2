package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/convert"
	"github.com/respin-project/respin/internal/source"
)

// sh runs a shell script in a folder, if the programs that it needs are there.
func sh(t *testing.T, dir, needs, script string) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, name := range strings.Fields(needs) {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIP: %s is not installed", name)
		}
	}
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const id = "11111111-2222-4333-8444-5555555555"

// A disk as a distribution's has it, made by the programs that make them.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	sh(t, dir, "sfdisk mke2fs mkfs.vfat mkfs.xfs mkfs.btrfs mkswap sqlite3", `
		truncate -s 700M disk.raw
		sfdisk -q disk.raw <<END
label: gpt
label-id: `+id+`00
size=1M, type=21686148-6449-6E6F-744E-656564454649, name=biosboot
size=40M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI System Partition"
size=32M, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=`+id+`01, name=root
size=310M
size=120M
size=16M, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
END
		mkdir -p root/usr/lib/sysimage/rpm
		printf 'NAME="Fedora Linux"\nVERSION_ID=43\nID=fedora\nPRETTY_NAME="Fedora Linux 43 (Cloud Edition)"\n' >root/usr/lib/os-release
		sqlite3 root/usr/lib/sysimage/rpm/rpmdb.sqlite "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<321) INSERT INTO Packages SELECT i, randomblob(5000) FROM n;"
		at() { sfdisk -d disk.raw | sed -n "s/^disk.raw$1 : start= *\([0-9]*\).*/\1/p"; }
		truncate -s 40M p2; mkfs.vfat -n ESP -i 12345678 p2 >/dev/null
		truncate -s 32M p3; mke2fs -q -t ext4 -d root -L root -U `+id+`02 p3
		truncate -s 310M p4; mkfs.xfs -q -L data -m uuid=`+id+`03 p4
		truncate -s 120M p5; mkfs.btrfs -q -L fedora -U `+id+`04 p5
		truncate -s 16M p6; mkswap -q -L swap -U `+id+`05 p6 2>/dev/null
		for i in 2 3 4 5 6; do dd if=p$i of=disk.raw bs=512 seek=$(at $i) conv=notrunc,sparse status=none; done
	`)
	path := filepath.Join(dir, "disk.raw")
	got, err := File(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	guid := func(s string) string { return strings.ToLower(s) }
	want := &Table{Type: "gpt", ID: id + "00", SectorSize: 512, Partitions: []Partition{
		{Number: 1, Size: mib, Type: guid("21686148-6449-6E6F-744E-656564454649"), TypeName: "BIOS boot", Name: "biosboot"},
		{Number: 2, Size: 40 * mib, Type: guid("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"), TypeName: "EFI System", Name: "EFI System Partition",
			FileSystem: &FileSystem{Type: "vfat", UUID: "1234-5678", Label: "ESP", Size: 40 * mib}},
		{Number: 3, Size: 32 * mib, Type: guid("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"), TypeName: "Linux root (x86-64)", Name: "root", ID: id + "01",
			FileSystem: &FileSystem{Type: "ext4", UUID: id + "02", Label: "root", Size: 32 * mib}},
		{Number: 4, Size: 310 * mib, Type: guid("0FC63DAF-8483-4772-8E79-3D69D8477DE4"), TypeName: "Linux filesystem",
			FileSystem: &FileSystem{Type: "xfs", UUID: id + "03", Label: "data", Size: 310 * mib}},
		{Number: 5, Size: 120 * mib, Type: guid("0FC63DAF-8483-4772-8E79-3D69D8477DE4"), TypeName: "Linux filesystem",
			FileSystem: &FileSystem{Type: "btrfs", UUID: id + "04", Label: "fedora", Size: 120 * mib}},
		{Number: 6, Size: 16 * mib, Type: guid("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"), TypeName: "Linux swap",
			FileSystem: &FileSystem{Type: "swap", UUID: id + "05", Label: "swap", Size: 16 * mib}},
	}}
	system := &System{Name: "Fedora Linux 43 (Cloud Edition)", ID: "fedora", Version: "43", Packages: 321}
	if diff := cmp.Diff(system, got.System); diff != "" {
		t.Errorf("system (-want +got):\n%s", diff)
	}
	if len(got.Unavailable) > 0 {
		t.Errorf("unavailable: %q", got.Unavailable)
	}
	for i := range got.Table.Partitions { // what the programs choose
		p := &got.Table.Partitions[i]
		p.Start = 0
		if p.Number != 3 {
			p.ID = ""
		}
		if p.FileSystem != nil {
			if used := p.FileSystem.Used; p.FileSystem.Type != "swap" && (used <= 0 || used > p.FileSystem.Size/2) {
				t.Errorf("partition %d: %d bytes are in use", p.Number, used)
			}
			p.FileSystem.Used = 0
		}
	}
	if diff := cmp.Diff(want, got.Table); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	inFormats(t, path, got)
}

// inFormats says the same of the disk in every format that can be looked into.
func inFormats(t *testing.T, path string, want *Image) {
	t.Helper()
	dir := t.TempDir()
	in, err := source.Open(context.Background(), path, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	formats, err := convert.ParseFormats("qcow2,qcow2:zstd,raw.zst,vhd,vhd:dynamic,vmdk,ova")
	if err != nil {
		t.Fatal(err)
	}
	job := convert.Job{Source: in.Disk, Formats: formats, Folder: dir, Disk: convert.Disk{Name: "disk"}}
	made, err := job.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range made {
		got, err := File(context.Background(), filepath.Join(dir, a.Path))
		if err != nil {
			t.Errorf("%s: %v", a.Format, err)
			continue
		}
		if got.Format != a.Format || got.VirtualSize != want.VirtualSize {
			t.Errorf("%s: a %s of %d bytes", a.Format, got.Format, got.VirtualSize)
		}
		if diff := cmp.Diff(want.System, got.System); diff != "" {
			t.Errorf("%s: system (-want +got):\n%s", a.Format, diff)
		}
		if len(got.Table.Partitions) != len(want.Table.Partitions) {
			t.Errorf("%s: %d partitions", a.Format, len(got.Table.Partitions))
		}
	}
}

func TestMBR(t *testing.T) {
	dir := t.TempDir()
	sh(t, dir, "sfdisk mke2fs", `
		truncate -s 60M disk.raw
		printf 'label: dos\nlabel-id: 0xdeadbeef\nsize=10M, type=83, bootable\nsize=40M, type=5\ndisk.raw5 : size=8M, type=82\ndisk.raw6 : size=8M, type=83\ndisk.raw7 : size=5M, type=ef\n' | sfdisk -q disk.raw
	`)
	got, err := File(context.Background(), filepath.Join(dir, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, p := range got.Table.Partitions {
		parts = append(parts, fmt.Sprintf("%d %s %q %d %v", p.Number, p.Type, p.TypeName, p.Size>>20, p.Bootable))
	}
	want := []string{`1 83 "Linux" 10 true`, `2 05 "Extended" 40 false`, `5 82 "Linux swap" 8 false`, `6 83 "Linux" 8 false`, `7 ef "EFI System" 5 false`}
	if diff := cmp.Diff(want, parts); diff != "" || got.Table.ID != "deadbeef" {
		t.Errorf("table %s (-want +got):\n%s", got.Table.ID, diff)
	}
}

// A file system without a partition table is one too, also FAT, which looks like a table.
func TestWhole(t *testing.T) {
	dir := t.TempDir()
	sh(t, dir, "mke2fs mkfs.vfat", `
		truncate -s 8M ext fat12; truncate -s 30M fat16; truncate -s 80M fat32
		mke2fs -q -t ext3 ext
		mkfs.vfat -F 12 fat12 >/dev/null; mkfs.vfat -F 16 fat16 >/dev/null; mkfs.vfat -F 32 fat32 >/dev/null`)
	for name, want := range map[string]string{"ext": "ext3", "fat12": "vfat", "fat16": "vfat", "fat32": "vfat"} {
		got, err := File(context.Background(), filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got.Table != nil || got.FileSystem == nil || got.FileSystem.Type != want || got.FileSystem.Used <= 0 || got.FileSystem.Used > got.FileSystem.Size/4 {
			t.Errorf("%s: table %v, file system %+v", name, got.Table, got.FileSystem)
		}
	}
}

// disks in memory
func section(b []byte) disk { return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))) }

// smallGPT is a table with one partition.
func smallGPT() []byte {
	d := make([]byte, 64<<10)
	le := binary.LittleEndian
	entry := d[1024:]
	copy(entry, "type type type t")
	copy(entry[16:], "idididididididid")
	le.PutUint64(entry[32:], 40)
	le.PutUint64(entry[40:], 49)
	copy(entry[56:], "n\x00a\x00")
	h := d[512:]
	copy(h, "EFI PART")
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[72:], 2)
	le.PutUint32(h[80:], 4)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(d[1024:1024+512]))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
	return d
}

func TestDamagedGPT(t *testing.T) {
	good := smallGPT()
	if table, err := readTable(section(good)); err != nil || len(table.Partitions) != 1 || table.Partitions[0].Name != "na" || table.Partitions[0].Size != 5120 {
		t.Fatalf("%+v, %v", table, err)
	}
	resum := func(change func(h []byte)) []byte {
		d := bytes.Clone(good)
		h := d[512 : 512+92]
		change(h)
		clear(h[16:20])
		binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
		return d
	}
	flipped := bytes.Clone(good)
	flipped[1024]++
	for name, tt := range map[string]struct {
		disk []byte
		want string
	}{
		"entries": {flipped, "entries are damaged"},
		"many":    {resum(func(h []byte) { binary.LittleEndian.PutUint32(h[80:], 1<<31) }), "are not possible"},
		"far":     {resum(func(h []byte) { binary.LittleEndian.PutUint64(h[72:], 1<<63) }), "are not possible"},
		"wide":    {resum(func(h []byte) { binary.LittleEndian.PutUint32(h[84:], 1<<30) }), "are not possible"},
		"small":   {good[:20*1024], "is not on the disk"},
	} {
		if _, err := readTable(section(tt.disk)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want ... %s ...", name, err, tt.want)
		}
	}
}

func FuzzDisk(f *testing.F) {
	f.Add(smallGPT()[:4096])
	mbr := make([]byte, 2048)
	mbr[510], mbr[511] = 0x55, 0xaa
	mbr[450], mbr[454], mbr[458] = 5, 1, 2 // an extended partition
	copy(mbr[512+446:], mbr[446:462])
	mbr[1022], mbr[1023] = 0x55, 0xaa
	f.Add(mbr)
	ext := make([]byte, 4096)
	ext[1024+0x38], ext[1024+0x39] = 0x53, 0xef
	f.Add(ext)
	f.Fuzz(func(t *testing.T, data []byte) {
		img := new(Image)
		img.readDisk(section(data))
	})
}
