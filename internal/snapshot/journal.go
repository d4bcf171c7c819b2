package snapshot

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/respin-project/respin/internal/hint"
	"golang.org/x/sys/unix"
)

// A journal is the file that says how far a snapshot is. Its first line is
// what it is about, its second the snapshot, and every further one a block
// that AWS has: its index and its SHA-256. A line that was cut off, as the
// last may be, ends it. The file has nothing secret in it.
type journal struct {
	key       string
	snapshot  string // its id; empty if none was begun
	encrypted bool
	completed bool
	foreign   bool   // the file is about something else
	stale     string // the snapshot of what the disk was before; empty if there is none

	mu     sync.Mutex
	file   *os.File
	blocks map[int32][sha256.Size]byte
}

const journalMagic = "respin ebs upload 1"

// openJournal opens the journal at path, or begins one. One that is about
// something else is begun anew.
func openJournal(path, key string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("opening the journal of the upload: %w", err), "the folder of the disk must be writable")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, hint.Wrap(fmt.Errorf("%s is in use", path), "another ami-register is uploading this disk: wait for it")
	}
	if now, err := os.Stat(path); err != nil || !sameFile(f, now) {
		f.Close() // who had the lock removed it
		return openJournal(path, key)
	}
	j := &journal{key: key, file: f, blocks: map[int32][sha256.Size]byte{}}
	end, err := j.read(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("reading the journal of the upload: %w", err)
	}
	return j, nil
}

func sameFile(f *os.File, info os.FileInfo) bool {
	own, err := f.Stat()
	return err == nil && os.SameFile(own, info)
}

// read takes what the file holds, and returns the length of the part that is whole.
func (j *journal) read(r io.Reader) (end int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	defer func() {
		if j.snapshot == "" {
			end = 0 // the first line alone is worth nothing
		}
	}()
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		if err == io.EOF || err == bufio.ErrBufferFull {
			return end, nil
		} else if err != nil {
			return 0, err
		}
		if !j.line(n, strings.TrimSuffix(string(line), "\n")) {
			return end, nil
		}
		end += int64(len(line))
	}
}

// line takes line n and reports whether it makes sense.
func (j *journal) line(n int, text string) bool {
	switch {
	case n == 0:
		j.foreign = text != journalMagic+" "+j.key
		return strings.HasPrefix(text, journalMagic+" ")
	case n == 1:
		id, kind, _ := strings.Cut(text, " ")
		if !strings.HasPrefix(id, "snap-") || kind != "plain" && kind != "encrypted" {
			return false
		}
		if j.foreign {
			j.stale = id
			return false
		}
		j.snapshot, j.encrypted = id, kind == "encrypted"
		return true
	case text == "completed":
		j.completed = true
		return true
	}
	number, digest, _ := strings.Cut(text, " ")
	i, err := strconv.ParseInt(number, 10, 32)
	sum, sumErr := hex.DecodeString(digest)
	if err != nil || sumErr != nil || i < 0 || len(sum) != sha256.Size || j.completed {
		return false
	}
	j.blocks[int32(i)] = [sha256.Size]byte(sum)
	return true
}

// begin says which snapshot it is about.
func (j *journal) begin(id string, encrypted, completed bool) error {
	if err := j.reset(); err != nil {
		return err
	}
	kind := "plain"
	if encrypted {
		kind = "encrypted"
	}
	j.snapshot, j.encrypted, j.completed = id, encrypted, completed
	return j.write(fmt.Sprintf("%s %s\n%s %s\n", journalMagic, j.key, id, kind))
}

// add says that AWS has a block.
func (j *journal) add(i int32, sum [sha256.Size]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.blocks[i] = sum
	return j.write(strconv.Itoa(int(i)) + " " + hex.EncodeToString(sum[:]) + "\n")
}

// complete says that nothing is left to write.
func (j *journal) complete() error {
	j.completed = true
	return j.write("completed\n")
}

func (j *journal) write(text string) error {
	if _, err := j.file.WriteString(text); err != nil {
		return fmt.Errorf("writing the journal of the upload: %w", err)
	}
	return nil
}

// reset forgets everything.
func (j *journal) reset() error {
	j.snapshot, j.encrypted, j.completed = "", false, false
	clear(j.blocks)
	_, err := j.file.Seek(0, io.SeekStart)
	if err == nil {
		err = j.file.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("writing the journal of the upload: %w", err)
	}
	return nil
}

// has reports whether AWS has a block.
func (j *journal) has(i int32) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.blocks[i]
	return ok
}

// aggregate is the linear aggregate checksum: the SHA-256 of the blocks'
// digests in the order of the blocks, in base64.
func (j *journal) aggregate() string {
	h := sha256.New()
	for _, i := range slices.Sorted(maps.Keys(j.blocks)) {
		sum := j.blocks[i]
		h.Write(sum[:])
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// remove removes the file: there is nothing to go on with.
func (j *journal) remove() error {
	if err := os.Remove(j.file.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the journal of the upload: %w", err)
	}
	return nil
}

func (j *journal) close() { j.file.Close() }
