package ec2fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A volume is the bytes of a snapshot, and the checksums of the blocks that
// were written.
type volume struct {
	gib       int64
	encrypted bool

	bytes store

	mu     sync.Mutex
	blocks map[int][sha256.Size]byte
}

func (o *Options) newVolume(gib int64, encrypted bool) (*volume, error) {
	v := &volume{gib: gib, encrypted: encrypted, blocks: map[int][sha256.Size]byte{}}
	if o.Memory {
		v.bytes = newMemory(gib << 30)
		return v, nil
	}
	var err error
	v.bytes, err = newFile(o.Folder)
	return v, err
}

// write stores a block.
func (v *volume) write(i int, data []byte, sum [sha256.Size]byte) error {
	if _, err := v.bytes.WriteAt(data, int64(i)*BlockSize); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blocks[i] = sum
	return nil
}

// indexes of the blocks that were written, in order.
func (v *volume) indexes() []int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.blocks))
}

// linear is the aggregate checksum: the digest of all blocks' digests, in order.
func (v *volume) linear() string {
	all := v.indexes()
	v.mu.Lock()
	defer v.mu.Unlock()
	h := sha256.New()
	for _, i := range all {
		sum := v.blocks[i]
		h.Write(sum[:])
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// ReadAt reads what a machine with the volume would. Blocks that were not
// written are zeros, or, where the volume is encrypted, nothing that anyone can foretell.
func (v *volume) ReadAt(p []byte, off int64) (int, error) {
	size := v.gib << 30
	if off >= size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), size-off))
	for done := 0; done < n; {
		at := off + int64(done)
		part := p[done:min(n, done+int(BlockSize-at%BlockSize))]
		v.mu.Lock()
		_, written := v.blocks[int(at/BlockSize)]
		v.mu.Unlock()
		switch {
		case written:
			if _, err := v.bytes.ReadAt(part, at); err != nil {
				return done, err
			}
		case v.encrypted:
			noise(part)
		default:
			clear(part)
		}
		done += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func noise(p []byte) {
	var word [8]byte
	for len(p) > 0 {
		binary.NativeEndian.PutUint64(word[:], rand.Uint64())
		p = p[copy(p, word[:]):]
	}
}

// Volume returns the bytes of a snapshot, and how many there are.
func (s *Server) Volume(regionName, id string) (*io.SectionReader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.regions[regionName]
	if r == nil || r.snapshots[id] == nil {
		return nil, fmt.Errorf("there is no snapshot %q in %q", id, regionName)
	}
	v := r.snapshots[id].volume
	return io.NewSectionReader(v, 0, v.gib<<30), nil
}

// serveVolume gives a snapshot's bytes to whoever asks for REGION/SNAPSHOT.
func (s *Server) serveVolume(w http.ResponseWriter, r *http.Request, path string) {
	regionName, id, _ := strings.Cut(path, "/")
	v, err := s.Volume(regionName, id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(v.Size()))
	io.Copy(w, v)
}

// Compare reports the first difference between a snapshot's volume and a disk,
// which is followed by zeros up to the volume's end; nil if there is none.
func (s *Server) Compare(regionName, id string, disk io.Reader) error {
	bytesOf, err := s.Volume(regionName, id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	v := s.regions[regionName].snapshots[id].volume
	s.mu.Unlock()
	want, got := make([]byte, BlockSize), make([]byte, BlockSize)
	for off := int64(0); off < bytesOf.Size(); off += BlockSize {
		n, err := io.ReadFull(disk, want)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		v.mu.Lock()
		_, written := v.blocks[int(off/BlockSize)]
		v.mu.Unlock()
		if n == 0 && !written && !v.encrypted {
			continue // zeros behind the disk's end
		}
		clear(want[n:])
		if _, err := v.ReadAt(got, off); err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return fmt.Errorf("block %d of snapshot %s in %s is another", off/BlockSize, id, regionName)
		}
	}
	return nil
}
