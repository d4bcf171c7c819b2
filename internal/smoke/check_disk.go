package smoke

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/report"
)

var diskChecks = []check{
	{"root-grown", "error", []string{"grows"}, rootGrown},
	{"disk-space", "error", nil, diskSpace},
	{"rpm-database", "error", []string{"rpm"}, rpmDatabase},
}

// layout lists the disk's size and its partitions' in sectors, and then the root file system as df does.
const layout = `echo "disk $(cat /sys/block/vda/size)"
for p in /sys/block/vda/vda*; do [ ! -e "$p/size" ] || echo "${p##*/} $(cat "$p/size")"; done
df -P -k / | tail -n 1`

func rootGrown(ctx context.Context, g *guest) (string, error) {
	text, err := g.ask(ctx, layout)
	if err != nil {
		return "", err
	}
	return judgeLayout(text)
}

// judgeLayout says whether the root file system makes use of the larger disk.
func judgeLayout(text string) (string, error) {
	sizes := map[string]int64{} // bytes, by name
	var source string
	var root, allotted int64
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2:
			sectors, _ := strconv.ParseInt(f[1], 10, 64)
			sizes[f[0]] = sectors * 512
			if f[0] != "disk" {
				allotted += sectors * 512
			}
		case len(f) >= 6: // SOURCE BLOCKS USED FREE SHARE MOUNT
			blocks, _ := strconv.ParseInt(f[1], 10, 64)
			source, root = f[0], blocks*1024
		}
	}
	disk := sizes["disk"]
	if disk == 0 || root == 0 {
		return "", errors.New("the guest does not say how large its disk and its root file system are")
	}
	if unused := disk - allotted; allotted > 0 && unused >= grow/2 {
		return "", fmt.Errorf("%s of the disk belong to no partition: the root partition did not grow", report.Size(unused))
	}
	partition, ok := sizes[strings.TrimPrefix(source, "/dev/")]
	if allotted == 0 {
		partition, ok = disk, true
	}
	// What is missing to the whole is what the file system needs for itself.
	if ok && root < partition*85/100 {
		return "", fmt.Errorf("the root file system has %s of the %s of %s: it did not grow", report.Size(root), report.Size(partition), source)
	}
	return fmt.Sprintf("%s of %s", report.Size(root), report.Size(disk)), nil
}

// full is the share in hundredths from which a file system counts as full.
const full = 98

func diskSpace(ctx context.Context, g *guest) (string, error) {
	blocks, err := g.ask(ctx, "df -P -k")
	if err != nil && blocks == "" { // it also fails for one file system of many
		return "", err
	}
	inodes, _ := g.ask(ctx, "df -P -i") // not every df can
	free, err := judgeSpace(blocks, "space")
	if err != nil {
		return "", err
	}
	if _, err := judgeSpace(inodes, "inodes"); err != nil {
		return "", err
	}
	return free, nil
}

// judgeSpace reads a table of df and says how much is left of what.
func judgeSpace(table, what string) (string, error) {
	var used []string
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasPrefix(f[0], "/dev/") || strings.HasPrefix(f[0], "/dev/vdb") { // vdb is the seed
			continue
		}
		share, err := strconv.Atoi(strings.TrimSuffix(f[4], "%"))
		if err != nil {
			continue // "-", where there are no inodes
		}
		if share >= full {
			return "", fmt.Errorf("the file system on %s has no %s left: %d %% are used", f[5], what, share)
		}
		used = append(used, fmt.Sprintf("%s %d %%", f[5], share))
	}
	return list(used), nil
}

func rpmDatabase(ctx context.Context, g *guest) (string, error) {
	out, err := g.shell.run(ctx, "rpm -qa --qf '%{NAME}\\n'", g.limit)
	switch {
	case err != nil:
		return "", err
	case out.exit != 0 || out.stderr != "":
		return "", fmt.Errorf("rpm cannot read its database: %s", lastLine(out.stderr))
	}
	count := 0
	for line := range strings.Lines(out.stdout) {
		if name := strings.TrimSpace(line); name != "" && name != "gpg-pubkey" {
			count++
		}
	}
	switch {
	case count == 0:
		return "", errors.New("the RPM database is empty")
	case g.image.Packages > 0 && count != g.image.Packages:
		return "", fmt.Errorf("the RPM database lists %d packages, the manifest %d", count, g.image.Packages)
	}
	return fmt.Sprintf("%d packages", count), nil
}
