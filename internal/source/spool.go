package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/gz"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/raw"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sys/unix"
)

// spool opens a disk that comes through a pipe. Because it can be read only
// once, and nobody knows its size before its end, it goes to a temporary file.
func spool(ctx context.Context, r io.Reader, scratch string, rep *report.Report) (*File, error) {
	in := bufio.NewReaderSize(r, block.Size)
	head, err := in.Peek(512)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch kind := Detect(head); kind {
	case Raw:
		return spoolDisk(ctx, in, scratch, rep)
	case Gzip:
		disk, err := gz.Stream(in)
		if err != nil {
			return nil, err
		}
		return spoolDisk(ctx, disk, scratch, rep)
	case Qcow2, VMDK, DynamicVHD, XZ, Zstd:
		copied, err := spoolDisk(ctx, in, scratch, rep)
		if err != nil {
			return nil, err
		}
		opened, err := open(ctx, copied.Disk.(*raw.Reader).File, scratch, rep)
		if err != nil {
			copied.Close()
			return nil, err
		}
		opened.closers = append(copied.closers, opened.closers...)
		return opened, nil
	default:
		return nil, unreadable(kind)
	}
}

func unreadable(kind Kind) error {
	return hint.Wrap(fmt.Errorf("it is a %s image, which cannot be read", kind), "qemu-img convert makes a raw disk of it")
}

// spoolDisk copies a disk to a file without a name.
func spoolDisk(ctx context.Context, in io.Reader, scratch string, rep *report.Report) (*File, error) {
	file, err := os.CreateTemp(scratch, ".img-convert-*")
	if err != nil {
		return nil, fmt.Errorf("creating a temporary file: %w", err)
	}
	os.Remove(file.Name())
	task := rep.Task("reading", 0, report.Bytes)
	defer task.Drop()
	disk, err := copySparse(ctx, file, io.TeeReader(in, task))
	if err != nil {
		file.Close()
		return nil, err
	}
	task.Done()
	return &File{Disk: disk, closers: []io.Closer{file}}, nil
}

// copySparse copies a disk with holes for its zeros.
func copySparse(ctx context.Context, to *os.File, from io.Reader) (*raw.Reader, error) {
	buf := make([]byte, 64<<10)
	zeros := make([]byte, len(buf))
	for off := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := readFull(from, buf)
		if !bytes.Equal(buf[:n], zeros[:n]) {
			if _, err := to.WriteAt(buf[:n], off); err != nil {
				return nil, spoolFailed(err)
			}
		}
		off += int64(n)
		if err == io.EOF {
			if off == 0 {
				return nil, errors.New("it is empty")
			}
			if err := to.Truncate(off); err != nil {
				return nil, spoolFailed(err)
			}
			return raw.NewReader(to)
		} else if err != nil {
			return nil, err
		}
	}
}

// spoolFailed says why the copy could not be written. The file's name is gone already.
func spoolFailed(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		err = p.Err
	}
	if errors.Is(err, unix.ENOSPC) {
		err = hint.Wrap(err, "the disk is unpacked beside the new files first: make room, or choose another folder with --output")
	}
	return fmt.Errorf("writing a temporary file: %w", err)
}

// readFull fills buf as far as it can. Unlike io.ReadFull it tells a stream
// that ended, io.EOF, from one that was cut off, for which decoders have
// io.ErrUnexpectedEOF.
func readFull(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	if err == io.ErrUnexpectedEOF {
		err = errors.New("it ends in the middle: it is truncated")
	}
	return n, err
}
