package rpm

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// A File is one entry of a package's file list.
type File struct {
	Path   string // absolute and clean
	Mode   uint32 // as in struct stat: type and permissions
	User   string
	Group  string
	Size   int64  // bytes, of a regular file
	MTime  int64  // seconds since 1970
	Flags  uint32 // FlagGhost and so on
	Link   string // target of a symbolic link
	Digest string // hex, of a regular file's content; empty if there is none
	Rdev   uint16 // of a device
	Inode  uint32 // regular files with the same Inode and Device are hard links of each other
	Device uint32
	Caps   string // file capabilities in the text form of cap_to_text(3), empty for none
	Color  uint32 // 1: 32-bit ELF, 2: 64-bit ELF, 0: neither
	Lang   string // locale that it belongs to, empty for none
}

// Flags of a File that matter here; rpm has more.
const (
	FlagConfig    = 1 << 0
	FlagDoc       = 1 << 1
	FlagMissingOK = 1 << 3
	FlagNoReplace = 1 << 4
	FlagGhost     = 1 << 6 // belongs to the package but is not in it
)

// Types in a File's Mode.
const (
	modeType    = 0o170000
	modeRegular = 0o100000
	modeDir     = 0o040000
	modeLink    = 0o120000
	modeFIFO    = 0o010000
	modeChar    = 0o020000
	modeBlock   = 0o060000
)

// What bounds a package's file list. The largest real ones have some 200,000
// files; a few bytes of a header can stand for many long paths.
const (
	maxFiles     = 1 << 20
	maxPathBytes = 64 << 20
)

// Files returns what the header says of each file of the package, in the header's order.
// A source package's files are in "/".
func (p *Package) Files() ([]File, error) {
	files, err := p.fileList()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), malformed("file list", err))
	}
	return files, nil
}

func (p *Package) fileList() ([]File, error) {
	paths, err := p.paths()
	if err != nil || len(paths) == 0 {
		return nil, err
	}
	c := columns{h: p.Header, count: len(paths)}
	modes := c.ints(tagFileModes, true)
	users, groups := c.strings(tagFileUserName, true), c.strings(tagFileGroupName, true)
	sizes := c.ints(tagFileSizes, !p.Header.Has(tagLongFileSizes))
	if p.Header.Has(tagLongFileSizes) {
		sizes = c.ints(tagLongFileSizes, true)
	}
	links, digests := c.strings(tagFileLinkTos, true), c.strings(tagFileDigests, true)
	mtimes, flags, rdevs := c.ints(tagFileMTimes, true), c.ints(tagFileFlags, true), c.ints(tagFileRdevs, false)
	inodes, devices := c.ints(tagFileInodes, true), c.ints(tagFileDevices, false)
	caps, colors, langs := c.strings(tagFileCaps, false), c.ints(tagFileColors, false), c.strings(tagFileLangs, false)
	if c.err != nil {
		return nil, c.err
	}
	files := make([]File, len(paths))
	for i := range files {
		files[i] = File{
			Path: paths[i], Mode: uint32(modes[i]), User: users[i], Group: groups[i], Size: int64(sizes[i]),
			MTime: int64(mtimes[i]), Flags: uint32(flags[i]), Link: links[i], Digest: digests[i], Rdev: uint16(rdevs[i]),
			Inode: uint32(inodes[i]), Device: uint32(devices[i]), Caps: caps[i], Color: uint32(colors[i]), Lang: langs[i],
		}
		if err := files[i].check(); err != nil {
			return nil, fmt.Errorf("%q: %w", paths[i], err)
		}
	}
	return files, nil
}

func (f *File) check() error {
	switch f.Mode & modeType {
	case modeRegular:
		if f.Size < 0 {
			return fmt.Errorf("size %d", f.Size)
		}
	case modeLink:
		if f.Link == "" {
			return errors.New("symbolic link without a target")
		}
	case modeDir, modeFIFO, modeChar, modeBlock:
	default:
		return fmt.Errorf("mode %o is of no known type", f.Mode)
	}
	return nil
}

// columns reads the arrays of a file list, which must be of one length. The first error stays in err.
type columns struct {
	h     *Header
	count int
	err   error
}

func (c *columns) strings(t Tag, required bool) []string {
	values := c.h.Strings(t)
	if values == nil && !required {
		values = make([]string, c.count)
	}
	c.check(t, len(values))
	return values
}

func (c *columns) ints(t Tag, required bool) []uint64 {
	values := c.h.Ints(t)
	if values == nil && !required {
		values = make([]uint64, c.count)
	}
	c.check(t, len(values))
	return values
}

func (c *columns) check(t Tag, n int) {
	if n != c.count && c.err == nil {
		c.err = fmt.Errorf("tag %d has %d values for %d files", t, n, c.count)
	}
}

// paths puts the files' paths together.
func (p *Package) paths() ([]string, error) {
	h := p.Header
	if !h.Has(tagBaseNames) {
		old := h.Strings(tagOldFileNames)
		for _, name := range old {
			if err := checkPath(name); err != nil {
				return nil, err
			}
		}
		return old, nil
	}
	bases, dirs, indexes := h.Strings(tagBaseNames), h.Strings(tagDirNames), h.Ints(tagDirIndexes)
	if len(bases) > maxFiles || len(indexes) != len(bases) {
		return nil, fmt.Errorf("%d names with %d folders", len(bases), len(indexes))
	}
	for i, dir := range dirs {
		if p.IsSource() && dir == "" {
			dirs[i], dir = "/", "/"
		}
		if !strings.HasSuffix(dir, "/") {
			return nil, fmt.Errorf("folder %q does not end in a slash", dir)
		}
	}
	paths, total := make([]string, len(bases)), 0
	for i, base := range bases {
		if indexes[i] >= uint64(len(dirs)) {
			return nil, fmt.Errorf("file %q is in folder %d of %d", base, indexes[i], len(dirs))
		}
		if strings.Contains(base, "/") {
			return nil, fmt.Errorf("file name %q has a slash", base)
		}
		if total += len(dirs[indexes[i]]) + len(base); total > maxPathBytes {
			return nil, errors.New("paths are too long")
		}
		paths[i] = dirs[indexes[i]] + base
		if err := checkPath(paths[i]); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// checkPath refuses paths that are not absolute and clean: "..", for one.
func checkPath(p string) error {
	switch {
	case len(p) > maxPathLength:
		return fmt.Errorf("path %.40q… is longer than %d bytes", p, maxPathLength)
	case !path.IsAbs(p) || path.Clean(p) != p:
		return fmt.Errorf("path %q is not absolute and clean", p)
	}
	return nil
}
