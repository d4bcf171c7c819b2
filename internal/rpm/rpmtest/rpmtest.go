// Package rpmtest makes RPM packages for tests: sound ones, and ones that no
// rpmbuild would make.
package rpmtest

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A Package is what to make. The zero value of a field stands for something usual.
type Package struct {
	Name, Version, Release, Arch string // NAME "hello", 1.0, 1, noarch
	Epoch                        int
	Files                        []File
	Compression                  string // "none" (the default), "gzip", "zstd"
	Stripped                     bool   // archive entries without names, as of version 6
	Key                          *Key   // signs the header
	Legacy                       bool   // sign header and payload instead, and have MD5 and SHA-1 digests only
	OpenPGP                      bool   // put the signature where version 6 has it

	// What the package is like beyond that.
	Header    func(*Header)         // changes the header
	Signature func(*Header)         // changes the signature header, after its digests were made
	Archive   func([]byte) []byte   // changes the uncompressed payload
	Entries   func([]Entry) []Entry // changes the archive's entries
}

// A File is a file of a package. Mode has the type; without one it is a regular file.
type File struct {
	Path        string
	Mode        uint32 // 0: a regular file with 0644
	Data        string
	Link        string
	User, Group string // "root"
	MTime       uint32
	Flags       uint32
	Inode       uint32 // 0: one of its own
	Caps        string
	Color       uint32
	Absent      bool // not in the archive
}

// An Entry is one of the archive.
type Entry struct {
	Name string
	Mode uint32
	Data string
	Size int // if it is not that of Data
}

const regular = 0o100000

// Build makes the package.
func (p Package) Build() []byte {
	p.defaults()
	archive := p.archive()
	if p.Archive != nil {
		archive = p.Archive(archive)
	}
	payload := compress(p.Compression, archive)
	header := p.header(payload)
	if p.Header != nil {
		p.Header(header)
	}
	main := header.Bytes(63)
	var out bytes.Buffer
	out.Write(lead(p.Name))
	signature := p.sign(main, payload)
	out.Write(signature)
	out.Write(make([]byte, -len(signature)&7))
	out.Write(main)
	out.Write(payload)
	return out.Bytes()
}

func (p *Package) defaults() {
	for value, usual := range map[*string]string{&p.Name: "hello", &p.Version: "1.0", &p.Release: "1", &p.Arch: "noarch"} {
		if *value == "" {
			*value = usual
		}
	}
	p.Files = slices.Clone(p.Files)
	for i := range p.Files {
		f := &p.Files[i]
		if f.Mode == 0 {
			f.Mode = 0o644
		}
		if f.Mode&0o170000 == 0 {
			f.Mode |= regular
		}
		for value, usual := range map[*string]string{&f.User: "root", &f.Group: "root"} {
			if *value == "" {
				*value = usual
			}
		}
		if f.Inode == 0 {
			f.Inode = uint32(i + 1)
		}
	}
}

func lead(name string) []byte {
	b := make([]byte, 96)
	copy(b, "\xed\xab\xee\xdb\x03\x00\x00\x00\x00\x01")
	copy(b[10:75], name)
	b[77], b[79] = 1, 5
	return b
}

// header is the header proper.
func (p *Package) header(payload []byte) *Header {
	h := &Header{}
	h.String(1000, p.Name)
	h.String(1001, p.Version)
	h.String(1002, p.Release)
	if p.Epoch != 0 {
		h.Int32(1003, uint32(p.Epoch))
	}
	h.String(1021, "linux")
	h.String(1022, p.Arch)
	h.String(1044, fmt.Sprintf("%s-%s-%s.src.rpm", p.Name, p.Version, p.Release))
	if len(p.Files) > 0 {
		p.fileList(h)
	}
	if !p.Legacy {
		h.Strings(5092, hex.EncodeToString(sum256(payload)))
		h.Int32(5093, 8)
	}
	return h
}

func (p *Package) fileList(h *Header) {
	var bases, dirs, users, groups, links, digests, caps, langs []string
	var indexes, sizes, mtimes, flags, inodes, devices, colors []uint32
	var modes, rdevs []uint16
	for _, f := range p.Files {
		dir, base := path.Split(f.Path)
		i := slices.Index(dirs, dir)
		if i < 0 {
			i, dirs = len(dirs), append(dirs, dir)
		}
		digest := ""
		if f.Mode&0o170000 == regular {
			digest = hex.EncodeToString(sum256([]byte(f.Data)))
		}
		bases, indexes, users, groups = append(bases, base), append(indexes, uint32(i)), append(users, f.User), append(groups, f.Group)
		links, digests, caps, langs = append(links, f.Link), append(digests, digest), append(caps, f.Caps), append(langs, "")
		sizes, mtimes, flags = append(sizes, uint32(len(f.Data))), append(mtimes, f.MTime), append(flags, f.Flags)
		inodes, devices, colors = append(inodes, f.Inode), append(devices, 1), append(colors, f.Color)
		modes, rdevs = append(modes, uint16(f.Mode)), append(rdevs, 0)
	}
	h.Int32(1028, sizes...)
	h.Int16(1030, modes...)
	h.Int16(1033, rdevs...)
	h.Int32(1034, mtimes...)
	h.Strings(1035, digests...)
	h.Strings(1036, links...)
	h.Int32(1037, flags...)
	h.Strings(1039, users...)
	h.Strings(1040, groups...)
	h.Int32(1095, devices...)
	h.Int32(1096, inodes...)
	h.Strings(1097, langs...)
	h.Int32(1116, indexes...)
	h.Strings(1117, bases...)
	h.Strings(1118, dirs...)
	h.Int32(1140, colors...)
	h.Strings(5010, caps...)
	h.Int32(5011, 8)
}

// archive is the uncompressed payload.
func (p *Package) archive() []byte {
	if p.Stripped {
		return p.stripped()
	}
	last := map[uint32]int{}
	for i, f := range p.Files {
		last[f.Inode] = i
	}
	var entries []Entry
	for i, f := range p.Files {
		if f.Absent {
			continue
		}
		e := Entry{Name: "." + f.Path, Mode: f.Mode, Data: f.Data}
		if f.Link != "" {
			e.Data = f.Link
		}
		if f.Mode&0o170000 == regular && last[f.Inode] != i {
			e.Data = "" // of hard links the last has the content
		}
		entries = append(entries, e)
	}
	if p.Entries != nil {
		entries = p.Entries(entries)
	}
	var b bytes.Buffer
	for _, e := range append(entries, Entry{Name: "TRAILER!!!"}) {
		size := e.Size
		if size == 0 {
			size = len(e.Data)
		}
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			1, e.Mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(e.Name)+1, 0, e.Name)
		b.Write(make([]byte, -b.Len()&3))
		b.WriteString(e.Data)
		b.Write(make([]byte, -b.Len()&3))
	}
	return b.Bytes()
}

func (p *Package) stripped() []byte {
	var b bytes.Buffer
	for i, f := range p.Files {
		if f.Absent {
			continue
		}
		fmt.Fprintf(&b, "07070X%08x\x00\x00", i)
		data := f.Data + f.Link
		for j := i + 1; j < len(p.Files); j++ {
			if p.Files[j].Inode == f.Inode {
				data = ""
			}
		}
		b.WriteString(data)
		b.Write(make([]byte, -b.Len()&3))
	}
	b.WriteString("070701" + strings.Repeat("00000000", 11) + "0000000b" + "00000000" + "TRAILER!!!\x00")
	b.Write(make([]byte, -b.Len()&3))
	return b.Bytes()
}

func compress(how string, data []byte) []byte {
	var b bytes.Buffer
	switch how {
	case "gzip":
		w := gzip.NewWriter(&b)
		w.Write(data)
		w.Close()
	case "zstd":
		w, _ := zstd.NewWriter(&b)
		w.Write(data)
		w.Close()
	default:
		return data
	}
	return b.Bytes()
}

// sign makes the signature header.
func (p *Package) sign(header, payload []byte) []byte {
	h := &Header{}
	h.String(269, fmt.Sprintf("%x", sha1.Sum(header)))
	if !p.Legacy {
		h.String(273, hex.EncodeToString(sum256(header)))
	}
	h.Int32(1000, uint32(len(header)+len(payload)))
	whole := append(slices.Clone(header), payload...)
	md := md5.Sum(whole)
	h.Binary(1004, md[:])
	switch {
	case p.Key == nil:
	case p.Legacy:
		h.Binary(1002, p.Key.Sign(whole))
	case p.OpenPGP:
		h.Strings(278, base64.StdEncoding.EncodeToString(p.Key.Sign(header)))
	default:
		h.Binary(268, p.Key.Sign(header))
	}
	if p.Signature != nil {
		p.Signature(h)
	}
	return h.Bytes(62)
}

func sum256(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
