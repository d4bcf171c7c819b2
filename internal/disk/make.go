package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/btrfs"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// A Maker makes a disk of a plan.
type Maker struct {
	Plan   *Plan
	Arch   string    // as RPM names it
	Tools  string    // root folder with the target distribution's mkfs programs
	Tree   string    // the root tree; it is taken apart
	Work   string    // an empty folder on Tree's file system
	Output string    // the raw file to make; it must not exist
	Date   time.Time // of everything that a file system records as now
	Seed   Seed      // of what a mkfs would draw at random
	Report *report.Report
}

// Make writes the disk. What it returns about a file system's size is the
// number of bytes that the disk file holds for each partition, by number.
func (m *Maker) Make(ctx context.Context) (map[int]int64, error) {
	tops, err := m.Plan.split(m.Tree, m.Work)
	if err != nil {
		return nil, err
	}
	disk, err := os.OpenFile(m.Output, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	if err := disk.Truncate(m.Plan.Size); err != nil {
		return nil, fmt.Errorf("making a disk of %s: %w", report.Size(m.Plan.Size), err)
	}
	if err := m.Plan.WriteTable(disk, m.Arch); err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range m.Plan.Partitions {
		part := &m.Plan.Partitions[i]
		if part.FS == nil {
			continue
		}
		group.Go(func() error {
			if err := m.fill(ctx, disk, part, tops[part.Number]); err != nil {
				return fmt.Errorf("making the %s file system for %s: %w", part.FS.Type, part.Name(), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	used := map[int]int64{}
	for _, part := range m.Plan.Partitions {
		if used[part.Number], err = allocated(disk, part.Start, part.Size); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// Name is where the partition is mounted, or its number if it is not.
func (p *Partition) Name() string {
	switch {
	case p.FS.Mount != "":
		return p.FS.Mount
	case len(p.FS.Subvolumes) > 0:
		return p.FS.Subvolumes[0].Mount
	}
	return fmt.Sprint("partition ", p.Number)
}

// fill makes a partition's file system in a file beside the disk and copies what it holds.
func (m *Maker) fill(ctx context.Context, disk *os.File, part *Partition, top string) error {
	if err := m.fits(part, top); err != nil {
		return err
	}
	image := fmt.Sprintf("%s.partition%d", m.Output, part.Number)
	f, err := os.OpenFile(image, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer os.Remove(image)
	defer f.Close()
	if err := f.Truncate(part.Size); err != nil {
		return err
	}
	make, ok := formats[part.FS.Type]
	if !ok {
		return fmt.Errorf("file system %q is not known", part.FS.Type)
	}
	if err := make(m, ctx, part, "/out/"+filepath.Base(image), top); err != nil {
		return err
	}
	if part.FS.Type == "btrfs" {
		uuid := func(purpose string) string { return m.Seed.UUID(part.UUID + purpose) }
		if err := btrfs.Normalize(f, btrfs.Identity{UUID: uuid, Time: m.Date.Unix()}); err != nil {
			return err
		}
	}
	return copyExtents(disk, part.Start, f)
}

// fits refuses contents that cannot fit before a tool fails with its own words.
func (m *Maker) fits(part *Partition, top string) error {
	if top == "" {
		return nil
	}
	need, _, err := usage(top)
	if err != nil {
		return err
	}
	compressed := strings.Contains(part.FS.Options, "compress")
	for _, v := range part.FS.Subvolumes {
		compressed = compressed || strings.Contains(v.Options, "compress")
	}
	if need <= part.Size || compressed {
		return nil
	}
	return hint.Wrap(fmt.Errorf("its files take %s, the partition has %s", report.Size(need), report.Size(part.Size)),
		"give it a larger --size in the kickstart, or a larger disk, or install less")
}

// tool runs a program of Tools, which sees Work as /work and Output's folder as /out.
func (m *Maker) tool(ctx context.Context, args ...string) error {
	date := fmt.Sprint(m.Date.Unix())
	cmd := sandbox.Command{
		Root: m.Tools,
		Args: args,
		Env:  sandbox.Environment("SOURCE_DATE_EPOCH="+date, "E2FSPROGS_FAKE_TIME="+date, "TZ=UTC", "MTOOLS_SKIP_CHECK=1"),
		Mounts: []sandbox.Mount{
			{Source: m.Work, Target: "/work"},
			{Source: filepath.Dir(m.Output), Target: "/out"},
		},
		ReadOnly: true,
		Labels:   true, // to read security attributes
	}
	_, err := cmd.Output(ctx)
	return err
}

// inWork translates a folder below Work to what a tool sees.
func (m *Maker) inWork(dir string) string { return "/work" + strings.TrimPrefix(dir, m.Work) }

// copyExtents copies what is not a hole of src to dst, beginning at an offset.
func copyExtents(dst *os.File, at int64, src *os.File) error {
	return eachExtent(src, 0, -1, func(start, end int64) error {
		for start < end {
			from, to := start, at+start
			n, err := unix.CopyFileRange(int(src.Fd()), &from, int(dst.Fd()), &to, int(min(end-start, 1<<30)), 0)
			if err == unix.EINTR {
				continue
			} else if err != nil {
				return fmt.Errorf("copying into the disk: %w", err)
			} else if n == 0 {
				return fmt.Errorf("copying into the disk: the file became shorter")
			}
			start += int64(n)
		}
		return nil
	})
}

// eachExtent calls do for the parts of a file that hold data, from start on
// for size bytes, or to its end if size is negative.
func eachExtent(f *os.File, start, size int64, do func(start, end int64) error) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	stop := st.Size()
	if size >= 0 {
		stop = min(stop, start+size)
	}
	for start < stop {
		data, err := unix.Seek(int(f.Fd()), start, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return nil // holes to the end
		} else if err != nil {
			return err
		}
		hole, err := unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if data >= stop {
			return nil
		}
		if err := do(data, min(hole, stop)); err != nil {
			return err
		}
		start = hole
	}
	return nil
}

// allocated returns how many bytes of a part of a file are not holes.
func allocated(f *os.File, start, size int64) (total int64, err error) {
	err = eachExtent(f, start, size, func(a, b int64) error {
		total += b - a
		return nil
	})
	return total, err
}
