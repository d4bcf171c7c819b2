package rpm

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sys/unix"
)

// worker unpacks packages one after the other, as a plan has it.
type worker struct {
	plan    *plan
	task    *report.Task
	folders map[string]*os.File // some of the open ones, by real path
	buffer  []byte
}

// maxFolders is how many folders a worker keeps open.
const maxFolders = 64

// folder opens a folder by its real path.
func (w *worker) folder(real string) (int, error) {
	if f, ok := w.folders[real]; ok {
		return int(f.Fd()), nil
	}
	if len(w.folders) >= maxFolders {
		w.forget()
	}
	f, err := w.plan.root.OpenFile(relative(real), unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}
	w.folders[real] = f
	return int(f.Fd()), nil
}

// forget closes the folders.
func (w *worker) forget() {
	for _, f := range w.folders {
		f.Close()
	}
	clear(w.folders)
}

// unpacking is the state of one package.
type unpacking struct {
	*worker
	files  []File
	paths  map[int]string  // real paths of those that are created
	byName map[string]int  // index by path
	links  map[inode][]int // files that are hard links of each other
	filled map[inode]bool  // which of them have got their content
	seen   []bool
	hash   func() hash.Hash // of the header's file digests
}

type inode struct{ device, inode uint32 }

// unpack unpacks the i-th package.
func (w *worker) unpack(ctx context.Context, i int) error {
	pkg := w.plan.packages[i]
	u := &unpacking{worker: w, files: w.plan.files[i], paths: w.plan.owned[i]}
	if len(u.files) == 0 {
		return nil
	}
	if err := u.index(pkg); err != nil {
		return malformed("file list", err)
	}
	f, err := os.Open(pkg.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(pkg.payload, io.SeekStart); err != nil {
		return err
	}
	payload, err := pkg.Payload(io.TeeReader(interruptible{ctx, f}, w.task))
	if err != nil {
		return err
	}
	defer payload.Close()
	if err := u.archive(newCPIOReader(payload)); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// interruptible stops reading when the context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}

// digestAlgorithms are the hashes of file digests, by their numbers in OpenPGP.
var digestAlgorithms = map[uint64]func() hash.Hash{
	0: md5.New, 1: md5.New, 2: sha1.New, 8: sha256.New, 9: sha512.New384, 10: sha512.New, 11: sha256.New224,
	12: func() hash.Hash { return sha3.New256() }, 14: func() hash.Hash { return sha3.New512() },
}

// index prepares for looking files up.
func (u *unpacking) index(pkg *Package) error {
	u.byName, u.links, u.filled = map[string]int{}, map[inode][]int{}, map[inode]bool{}
	u.seen = make([]bool, len(u.files))
	for i := range u.files {
		f := &u.files[i]
		if _, twice := u.byName[f.Path]; twice {
			return fmt.Errorf("%s stands there twice", f.Path)
		}
		u.byName[f.Path] = i
		if f.Mode&modeType == modeRegular && f.Flags&FlagGhost == 0 {
			id := inode{f.Device, f.Inode}
			u.links[id] = append(u.links[id], i)
		}
	}
	algorithm := pkg.Header.Int(tagFileDigestAlgo)
	if u.hash = digestAlgorithms[algorithm]; u.hash == nil {
		return fmt.Errorf("digest algorithm %d is not known", algorithm)
	}
	return nil
}

// archive unpacks the payload's entries.
func (u *unpacking) archive(c *cpioReader) error {
	for {
		e, err := c.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return malformed("payload", err)
		}
		i, err := u.lookup(e)
		if err != nil {
			return malformed("payload", err)
		}
		if err := u.entry(c, e, i); err != nil {
			return fmt.Errorf("%s: %w", u.files[i].Path, err)
		}
	}
	for i := range u.files {
		if !u.seen[i] && u.files[i].Flags&FlagGhost == 0 {
			return malformed("payload", fmt.Errorf("it lacks %s", u.files[i].Path))
		}
	}
	return nil
}

// lookup finds the file that an entry of the archive is.
func (u *unpacking) lookup(e *cpioEntry) (int, error) {
	i := e.Index
	if i < 0 {
		var ok bool
		if i, ok = u.byName["/"+strings.TrimPrefix(strings.TrimPrefix(e.Name, "."), "/")]; !ok {
			return 0, fmt.Errorf("it has %q, which the header does not", e.Name)
		}
	}
	if i >= len(u.files) {
		return 0, fmt.Errorf("it has file number %d of %d", i, len(u.files))
	}
	if u.seen[i] {
		return 0, fmt.Errorf("it has %s twice", u.files[i].Path)
	}
	u.seen[i] = true
	return i, nil
}

// entry creates the i-th file from an entry of the archive.
func (u *unpacking) entry(c *cpioReader, e *cpioEntry, i int) error {
	f := &u.files[i]
	if e.Index >= 0 {
		e.Mode, e.Size = f.Mode, u.storedSize(i)
		c.content(e.Size)
	}
	if e.Mode&modeType != f.Mode&modeType {
		return malformed("payload", fmt.Errorf("its type is %o, in the header %o", e.Mode&modeType, f.Mode&modeType))
	}
	switch f.Mode & modeType {
	case modeRegular:
		return u.regular(c, e, i)
	case modeLink:
		return u.symlink(c, e, i)
	}
	if e.Size != 0 {
		return malformed("payload", errors.New("it has content"))
	}
	if real, ok := u.paths[i]; ok && f.Mode&modeType == modeFIFO {
		return u.fifo(real, f)
	}
	return nil // folders have been made
}

// storedSize is how much of the i-th file is in an archive without sizes: of
// hard links the last one has the content.
func (u *unpacking) storedSize(i int) int64 {
	f := &u.files[i]
	switch f.Mode & modeType {
	case modeRegular:
		if links := u.links[inode{f.Device, f.Inode}]; len(links) > 1 && links[len(links)-1] != i {
			return 0
		}
		return f.Size
	case modeLink:
		return int64(len(f.Link))
	}
	return 0
}

// regular reads the content of a regular file, and of the hard links to it.
func (u *unpacking) regular(c *cpioReader, e *cpioEntry, i int) error {
	f := &u.files[i]
	id := inode{f.Device, f.Inode}
	links := u.links[id]
	if f.Flags&FlagGhost != 0 {
		_, err := io.CopyBuffer(io.Discard, c, u.buffer)
		return err
	}
	last := u.lastOf(links)
	if e.Size == 0 && f.Size != 0 && len(links) > 1 {
		if last && !u.filled[id] {
			return malformed("payload", errors.New("it has no content"))
		}
		return nil // a hard link, whose content comes with another name
	}
	if e.Size != f.Size {
		return malformed("payload", fmt.Errorf("it has %d bytes, in the header %d", e.Size, f.Size))
	}
	if len(links) > 1 && f.Size == 0 && !last {
		return nil
	}
	return u.fill(c, id, links, f)
}

// lastOf reports whether the archive has had all of the files.
func (u *unpacking) lastOf(links []int) bool {
	for _, i := range links {
		if !u.seen[i] {
			return false
		}
	}
	return true
}

// fill writes the content to the first of the names that are created, and links the others to it.
func (u *unpacking) fill(c *cpioReader, id inode, links []int, f *File) error {
	var names []string
	for _, i := range links {
		if real, ok := u.paths[i]; ok && !u.filled[id] {
			names = append(names, real)
		}
	}
	u.filled[id] = true
	if len(names) == 0 {
		return u.copy(io.Discard, c, f)
	}
	if err := u.create(names[0], c, f); err != nil {
		return err
	}
	for _, name := range names[1:] {
		if err := u.link(names[0], name); err != nil {
			return err
		}
	}
	return nil
}

// copy copies a file's content and checks its digest.
func (u *unpacking) copy(to io.Writer, c *cpioReader, f *File) error {
	h := u.hash()
	for {
		n, err := c.Read(u.buffer)
		h.Write(u.buffer[:n])
		if _, err := to.Write(u.buffer[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			break
		} else if err != nil {
			return malformed("payload", err)
		}
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if f.Digest != "" && !strings.EqualFold(f.Digest, sum) {
		return malformed("payload", errors.New("its content does not have the header's digest"))
	}
	return nil
}
