// Package inspect says what a disk image is: its format, how the disk in it
// is divided, and what lies on it, without mounting anything.
package inspect

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/respin-project/respin/internal/gz"
	"github.com/respin-project/respin/internal/packed"
	"github.com/respin-project/respin/internal/qcow2"
	"github.com/respin-project/respin/internal/raw"
	"github.com/respin-project/respin/internal/source"
	"github.com/respin-project/respin/internal/vhd"
	"github.com/respin-project/respin/internal/vmdk"
	"github.com/respin-project/respin/internal/xz"
	"github.com/respin-project/respin/internal/zst"
)

// An Image is what is known of a file. What a format does not have, or does
// not tell without unpacking all of it, is left out.
type Image struct {
	Path        string `json:"path"`
	Format      string `json:"format"`                 // as img-convert --to names it
	Size        int64  `json:"size"`                   // of the file, bytes
	Allocated   int64  `json:"allocated"`              // that the file takes of its file system, bytes
	VirtualSize int64  `json:"virtual_size,omitempty"` // of the disk, bytes
	ClusterSize int64  `json:"cluster_size,omitempty"` // bytes
	Compression string `json:"compression,omitempty"`  // "zlib", "zstd", "xz", "gzip", "deflate"

	Table       *Table      `json:"partition_table,omitempty"`
	FileSystem  *FileSystem `json:"file_system,omitempty"` // of a disk without partitions
	System      *System     `json:"system,omitempty"`
	Unavailable []string    `json:"unavailable,omitempty"` // what could not be read, and why
}

// File inspects a file.
func File(ctx context.Context, path string) (*Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img := &Image{Path: path}
	if err := img.read(ctx, f); err != nil {
		return nil, fmt.Errorf("inspecting %s: %w", path, err)
	}
	return img, nil
}

func (img *Image) read(ctx context.Context, f *os.File) error {
	blocks, err := allocated(f)
	if err != nil {
		return err
	}
	img.Allocated = blocks
	disk, err := raw.NewReader(f)
	if err != nil {
		return err
	}
	if img.Size = disk.Size(); img.Size == 0 {
		return errors.New("it is empty")
	}
	head := make([]byte, 512)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	content, err := img.open(ctx, f, head[:n])
	if err != nil || content == nil {
		return err
	}
	if closer, ok := content.(*packed.Disk); ok {
		defer closer.Close()
	}
	img.readDisk(content)
	return nil
}

// disk is what is looked at in an image.
type disk interface {
	io.ReaderAt
	Size() int64
}

// open finds out the format and returns the disk, nil if it cannot be looked into.
func (img *Image) open(ctx context.Context, f *os.File, head []byte) (disk, error) {
	switch source.Detect(head) {
	case source.Qcow2:
		d, err := qcow2.NewReader(f, img.Size)
		if err != nil {
			return nil, err
		}
		img.Format, img.Compression = "qcow2", d.Compression().String()
		if d.Compression() == qcow2.Zstd {
			img.Format = "qcow2:zstd"
		}
		img.ClusterSize, img.VirtualSize = d.ClusterSize(), d.Size()
		return d, nil
	case source.XZ:
		img.Format, img.Compression = "raw.xz", "xz"
		d, _, err := xz.Open(ctx, f, img.Size, 1)
		if err != nil {
			return nil, err
		}
		img.VirtualSize = d.Size()
		return d, nil
	case source.Zstd:
		img.Format, img.Compression = "raw.zst", "zstd"
		d, err := zst.Open(f, img.Size, 1)
		if err != nil || d == nil {
			return nil, err
		}
		img.VirtualSize = d.Size()
		return d, nil
	case source.Gzip:
		img.Format, img.Compression = "raw.gz", "gzip"
		return nil, img.openGzip(f)
	case source.VMDK:
		img.Format = "vmdk"
		return img.openVMDK(f, img.Size)
	case source.DynamicVHD:
		img.Format = "vhd:dynamic"
		d, err := vhd.NewReader(f, img.Size)
		if err != nil {
			return nil, err
		}
		img.VirtualSize, img.ClusterSize = d.Size(), d.BlockSize()
		return d, nil
	case source.Raw:
		return img.openRaw(f, head)
	default:
		return nil, errors.New("the format is not known")
	}
}

// openRaw tells a raw disk from what only a closer look shows.
func (img *Image) openRaw(f *os.File, head []byte) (disk, error) {
	if img.Format = archive(head); img.Format == "ova" {
		return img.openOVA(f)
	} else if img.Format != "" {
		return nil, nil
	}
	img.Format, img.VirtualSize = "raw", img.Size
	if vhd.IsFixed(f, img.Size) {
		img.Format, img.VirtualSize = "vhd", img.Size-vhd.FooterSize
	}
	return io.NewSectionReader(f, 0, img.VirtualSize), nil
}

func (img *Image) openVMDK(f io.ReaderAt, size int64) (disk, error) {
	d, err := vmdk.NewReader(f, size)
	if err != nil {
		return nil, err
	}
	img.VirtualSize, img.ClusterSize = d.Size(), d.GrainSize()
	if d.Packed() {
		img.Compression = "deflate"
	}
	return d, nil
}

// openOVA finds the first disk of a machine.
func (img *Image) openOVA(f *os.File) (disk, error) {
	file := io.NewSectionReader(f, 0, img.Size)
	for members := tar.NewReader(file); ; {
		h, err := members.Next()
		if err == io.EOF {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(h.Name, ".vmdk") {
			continue
		}
		// Having read the header, the reader stands before the file's bytes.
		start, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		return img.openVMDK(io.NewSectionReader(f, start, h.Size), h.Size)
	}
}

// openGzip tells Google's archive from a raw disk.
func (img *Image) openGzip(f *os.File) error {
	z, err := gz.Stream(io.NewSectionReader(f, 0, img.Size))
	if err != nil {
		return err
	}
	defer z.Close()
	head := make([]byte, 512)
	if _, err := io.ReadFull(z, head); err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	if format := archive(head); format != "" {
		img.Format = format
	}
	if img.Format != "gce" {
		return nil
	}
	// The header tells how large the disk is with its holes.
	h, err := tar.NewReader(io.MultiReader(bytes.NewReader(head), z)).Next()
	if err != nil {
		return err
	}
	img.VirtualSize = h.Size
	return nil
}

// readDisk looks at what is on the disk. What cannot be read is told, and does
// not keep the rest from being.
func (img *Image) readDisk(d disk) {
	table, err := readTable(d)
	if err != nil {
		img.missing("partition table", err)
		return
	}
	var parts []*io.SectionReader
	if img.Table = table; table == nil {
		part := io.NewSectionReader(d, 0, d.Size())
		parts = append(parts, part)
		if img.FileSystem, err = readFileSystem(part); err != nil {
			img.missing("file system", err)
		}
	} else {
		for i := range table.Partitions {
			p := &table.Partitions[i]
			part := io.NewSectionReader(d, p.Start, p.Size)
			parts = append(parts, part)
			if p.FileSystem, err = readFileSystem(part); err != nil {
				img.missing(fmt.Sprintf("file system of partition %d", p.Number), err)
			}
		}
	}
	img.readSystem(parts)
}

func (img *Image) missing(what string, err error) {
	img.Unavailable = append(img.Unavailable, fmt.Sprintf("%s: %v", what, err))
}

// archive returns the format of an archive by its first member, empty if it is none.
func archive(head []byte) string {
	if len(head) < 512 || !bytes.HasPrefix(head[257:], []byte("ustar")) {
		return ""
	}
	name, _, _ := strings.Cut(string(head[:100]), "\x00")
	switch {
	case name == "disk.raw":
		return "gce"
	case strings.HasSuffix(name, ".ovf"):
		return "ova"
	case name == "box.img":
		return "box:libvirt"
	case name == "box-disk001.vmdk":
		return "box:virtualbox"
	case strings.HasPrefix(name, "blobs/"), name == "oci-layout":
		return "oci-archive"
	}
	return "tar"
}

// allocated is what a file takes of its file system, in bytes.
func allocated(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if st.IsDir() {
		return 0, errors.New("it is a folder")
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Blocks * 512, nil
	}
	return st.Size(), nil
}
