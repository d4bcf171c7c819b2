package btrfs

import (
	"errors"
	"io"

	"github.com/respin-project/respin/internal/unixfs"
)

const (
	topLevel       = 5       // the tree of files that is no subvolume
	firstSubvolume = 256     // the least number of one
	maxReads       = 1 << 18 // blocks of trees; a file system in use has a few thousand
)

// An FS is a file system to read files from, by one goroutine at a time.
type FS struct{ *volume }

// Open returns the file system in a partition.
func Open(part io.ReaderAt) (*FS, error) {
	total := make([]byte, 8)
	if _, err := part.ReadAt(total, superMain+superTotal); err != nil {
		return nil, err
	}
	v, err := open(part, int64(le.Uint64(total)))
	if err != nil {
		return nil, err
	}
	v.reads = min(v.reads, maxReads)
	return &FS{v}, nil
}

// Roots returns the top-level folder and that of each subvolume.
func (f *FS) Roots() ([]unixfs.Node, error) {
	var roots []unixfs.Node
	err := f.items(f.root, key{}, func(k key, item []byte) (bool, error) {
		if k.kind != typeRoot || k.object != topLevel && (k.object < firstSubvolume || k.object > 1<<48) {
			return true, nil
		}
		if len(item) < rootSize {
			return false, errTruncated
		}
		tree := &tree{f, le.Uint64(item[rootBytenr:])}
		node, err := tree.inode(le.Uint64(item[rootDirectory:]))
		if err == nil {
			roots = append(roots, node)
		}
		return true, err
	})
	return roots, err
}

// readData reads len(p) bytes of a file at a logical address; they are in one chunk.
func (f *FS) readData(p []byte, logical uint64) error {
	places, err := f.places(logical, int64(len(p)))
	if err != nil {
		return err
	}
	_, err = f.f.ReadAt(p, places[0])
	return err
}

// errEnough ends a walk before its end.
var errEnough = errors.New("enough")

// items calls do for the items of a tree from a key on, until it returns false.
func (f *FS) items(root uint64, from key, do func(key, []byte) (bool, error)) error {
	err := f.walkFrom(root, from, func(b *block) error {
		return b.each(func(k key, item []byte) error {
			if k.less(from) {
				return nil
			}
			more, err := do(k, item)
			if err == nil && !more {
				err = errEnough
			}
			return err
		})
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
