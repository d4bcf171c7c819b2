package disk

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/respin-project/respin/internal/tree"
	"golang.org/x/sys/unix"
)

// split moves what belongs to other file systems out of the tree at root, deepest
// mount points first, and leaves an empty folder in each one's place. It
// returns the folder with the contents of each partition's file system, by the
// partition's number; all are below work, which must be on the tree's file system.
//
// The top folder of a btrfs with subvolumes holds a folder for each of them.
func (p *Plan) split(root, work string) (map[int]string, error) {
	tops := map[int]string{}
	for i := range p.Partitions {
		part := &p.Partitions[i]
		if part.FS == nil || part.FS.Type == "swap" {
			continue
		}
		top := filepath.Join(work, fmt.Sprint("volume", part.Number))
		tops[part.Number] = top
		if len(part.FS.Subvolumes) == 0 && part.FS.Mount != "" {
			continue // the folder itself moves there
		}
		if err := os.MkdirAll(top, 0o755); err != nil {
			return nil, err
		}
		for _, v := range part.FS.Subvolumes {
			if v.Mount == "" {
				if err := os.MkdirAll(filepath.Join(top, v.Name), 0o755); err != nil {
					return nil, err
				}
			}
		}
	}
	inside, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	for _, m := range slices.Backward(p.mountPoints()) {
		// A script may have made a link of what a mount point is in.
		if err := inside.MkdirAll("."+filepath.Dir(m.Path), 0o755); err != nil {
			return nil, fmt.Errorf("making the mount point %s: %w", m.Path, err)
		}
		to := tops[m.Partition.Number]
		if m.Subvolume != nil {
			to = filepath.Join(to, m.Subvolume.Name)
		}
		if err := moveOut(filepath.Join(root, m.Path), to, m.Path == "/"); err != nil {
			return nil, fmt.Errorf("setting apart what belongs on %s: %w", m.Path, err)
		}
	}
	return tops, nil
}

// moveOut moves a folder and, unless it is the root, leaves an empty one like it behind.
func moveOut(from, to string, root bool) error {
	if st, err := os.Lstat(from); os.IsNotExist(err) {
		if err := os.MkdirAll(from, 0o755); err != nil {
			return err
		}
	} else if err != nil {
		return err
	} else if !st.IsDir() {
		return fmt.Errorf("%s is no folder", from)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if root {
		return nil
	}
	if err := os.Mkdir(from, 0o755); err != nil {
		return err
	}
	return tree.CopyAttributes(to, from)
}

// usage returns how many bytes the files below dir take in blocks of 4 KiB,
// and how many files and folders there are.
func usage(dir string) (bytes, inodes int64, err error) {
	seen := map[uint64]bool{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if st.Nlink > 1 && !d.IsDir() {
			if seen[st.Ino] {
				return nil
			}
			seen[st.Ino] = true
		}
		inodes++
		switch {
		case d.IsDir():
			bytes += 4096
		case d.Type().IsRegular():
			bytes += (st.Size + 4095) &^ 4095
		}
		return nil
	})
	return bytes, inodes, err
}
