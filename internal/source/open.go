// Package source opens disks for reading, whatever file they come in: raw
// ones, qcow2, VMDK, VHD, and raw ones compressed with xz, zstd or gzip.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/respin-project/respin/internal/qcow2"
	"github.com/respin-project/respin/internal/raw"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/vhd"
	"github.com/respin-project/respin/internal/vmdk"
	"github.com/respin-project/respin/internal/xz"
	"github.com/respin-project/respin/internal/zst"
)

// A Disk is what can be read of one.
type Disk interface {
	// Size is the disk's, in bytes.
	Size() int64
	// Extent returns the first run of bytes at or after off that may hold
	// anything but zeros. start is Size() if there is none.
	Extent(off int64) (start, end int64, err error)
	// ReadAt may be called by several goroutines at a time, unless the disk is
	// also Ascending.
	io.ReaderAt
}

// Ascending is a Disk that one goroutine should read from its start to its end.
type Ascending interface {
	Disk
	Ascending()
}

// A File is a disk that was opened.
type File struct {
	Disk
	closers []io.Closer
}

// Close closes all that was opened for the disk.
func (f *File) Close() error {
	var errs []error
	for i := len(f.closers) - 1; i >= 0; i-- {
		errs = append(errs, f.closers[i].Close())
	}
	return errors.Join(errs...)
}

// Open opens a disk for reading: a raw one, a qcow2, VMDK or VHD, or a raw one
// compressed with xz, zstd or gzip. What does not tell its size is unpacked to a
// temporary file in the folder scratch first.
func Open(ctx context.Context, path, scratch string, rep *report.Report) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in, err := open(ctx, f, scratch, rep)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	in.closers = append([]io.Closer{f}, in.closers...)
	return in, nil
}

// OpenStream opens a disk that comes as a stream.
func OpenStream(ctx context.Context, r io.Reader, scratch string, rep *report.Report) (*File, error) {
	var in *File
	var err error
	if f, ok := r.(*os.File); ok { // which may be a file all the same
		in, err = open(ctx, f, scratch, rep)
	} else {
		in, err = spool(ctx, r, scratch, rep)
	}
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	return in, nil
}

// open finds out what f holds.
func open(ctx context.Context, f *os.File, scratch string, rep *report.Report) (*File, error) {
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if st.IsDir() {
		return nil, errors.New("it is a folder")
	} else if !st.Mode().IsRegular() && st.Mode()&os.ModeDevice == 0 || st.Mode()&os.ModeCharDevice != 0 {
		return spool(ctx, f, scratch, rep)
	}
	disk, err := raw.NewReader(f)
	if err != nil {
		return nil, err
	}
	size := disk.Size()
	if size == 0 {
		return nil, errors.New("it is empty")
	}
	head := make([]byte, 512)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch kind := Detect(head[:n]); kind {
	case Raw:
		if vhd.IsFixed(f, size) {
			disk.Truncate(size - vhd.FooterSize)
		}
		return &File{Disk: disk}, nil
	case Qcow2:
		src, err := qcow2.NewReader(f, size)
		return &File{Disk: src}, err
	case VMDK:
		src, err := vmdk.NewReader(f, size)
		return &File{Disk: src}, err
	case DynamicVHD:
		src, err := vhd.NewReader(f, size)
		return &File{Disk: src}, err
	case XZ:
		src, name, err := xz.Open(ctx, f, size, ahead())
		if err != nil {
			return nil, err
		}
		rep.Printf("xz: unpacking with %s", name)
		return &File{Disk: src, closers: []io.Closer{src}}, nil
	case Zstd:
		src, err := zst.Open(f, size, ahead())
		if err != nil {
			return nil, err
		}
		if src != nil {
			return &File{Disk: src, closers: []io.Closer{src}}, nil
		}
		stream, err := zst.Stream(io.NewSectionReader(f, 0, size))
		if err != nil {
			return nil, err
		}
		defer stream.Close()
		return spoolDisk(ctx, stream, scratch, rep)
	case Gzip:
		return spool(ctx, io.NewSectionReader(f, 0, size), scratch, rep)
	default:
		return nil, unreadable(kind)
	}
}

// ahead is how many parts are unpacked at a time.
func ahead() int { return min(runtime.GOMAXPROCS(0), 4) }

// DiskName is the name of the disk in a file: the file's without its folder and
// the extensions that tell a format.
func DiskName(path string) string {
	if path == "-" {
		return "disk"
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, ext := range []string{".xz", ".zst", ".gz", ".raw", ".img", ".qcow2", ".vmdk", ".vhd"} {
		if short := strings.TrimSuffix(name, ext); short != "" {
			name = short
		}
	}
	return name
}
