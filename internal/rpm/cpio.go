package rpm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// cpioReader reads the archive of a payload: the "newc" format of cpio(5), and
// the form of it that rpm uses if a file is larger than 4 GiB, and in packages of version 6, in which an
// entry has nothing but the index of the file in the header.
type cpioReader struct {
	r       *bufio.Reader
	left    int64 // bytes of the current entry's content
	padding int64 // behind them
}

// cpioEntry is the head of an entry.
type cpioEntry struct {
	Index int    // into the file list; negative if the entry has a name
	Name  string // as it is stored
	Mode  uint32
	Size  int64 // of the content; negative if the file list has it
}

const (
	newcMagic     = "070701"
	newcCRCMagic  = "070702"
	strippedMagic = "07070X"
	trailerName   = "TRAILER!!!"
	maxPathLength = 4096 // PATH_MAX
)

func newCPIOReader(r io.Reader) *cpioReader {
	return &cpioReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Next moves on to the next entry; io.EOF is the regular end. The rest of the
// entry before must have been read.
func (c *cpioReader) Next() (*cpioEntry, error) {
	if c.left != 0 {
		return nil, errors.New("the entry before was not read")
	}
	if err := c.skip(c.padding); err != nil {
		return nil, err
	}
	c.padding = 0
	magic := make([]byte, len(newcMagic))
	if _, err := io.ReadFull(c.r, magic); err != nil {
		return nil, cut(err)
	}
	switch string(magic) {
	case newcMagic, newcCRCMagic:
		return c.nextNewc()
	case strippedMagic:
		return c.nextStripped()
	}
	return nil, fmt.Errorf("%q is no cpio entry", magic)
}

func (c *cpioReader) nextNewc() (*cpioEntry, error) {
	// Thirteen numbers: inode, mode, uid, gid, nlink, mtime, size, device (2), rdev (2), name's length, checksum.
	const fields, mode, size, nameSize = 13, 1, 6, 11
	var numbers [fields]uint64
	for i := range numbers {
		var err error
		if numbers[i], err = c.number(); err != nil {
			return nil, err
		}
	}
	n := numbers[nameSize]
	if n < 2 || n > maxPathLength {
		return nil, fmt.Errorf("a name of %d bytes", n)
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(c.r, name); err != nil {
		return nil, cut(err)
	}
	if i := bytes.IndexByte(name, 0); i != len(name)-1 {
		return nil, fmt.Errorf("the name %q does not end where it should", name)
	}
	const head = 6 + fields*8
	if err := c.skip(-(head + int64(n)) & 3); err != nil {
		return nil, err
	}
	e := &cpioEntry{Index: -1, Name: string(name[:n-1]), Mode: uint32(numbers[mode]), Size: int64(numbers[size])}
	if e.Name == trailerName {
		return nil, io.EOF
	}
	c.content(e.Size)
	return e, nil
}

func (c *cpioReader) nextStripped() (*cpioEntry, error) {
	index, err := c.number()
	if err != nil {
		return nil, err
	}
	const head = 6 + 8
	if err := c.skip(-head & 3); err != nil {
		return nil, err
	}
	return &cpioEntry{Index: int(index), Size: -1}, nil
}

// number reads eight hexadecimal digits.
func (c *cpioReader) number() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return 0, cut(err)
	}
	n, err := strconv.ParseUint(string(b[:]), 16, 32)
	if err != nil || strings.ContainsAny(string(b[:]), "+_") {
		return 0, fmt.Errorf("%q is no number", b)
	}
	return n, nil
}

// content says how long the current entry's content is.
func (c *cpioReader) content(size int64) {
	c.left, c.padding = size, -size&3
}

// Read reads the current entry's content.
func (c *cpioReader) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if c.left > 0 {
		err = cut(err)
	} else if err == io.EOF {
		err = nil
	}
	return n, err
}

func (c *cpioReader) skip(n int64) error {
	if _, err := c.r.Discard(int(n)); err != nil {
		return cut(err)
	}
	return nil
}
