package convert

import (
	"bytes"
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
	"github.com/respin-project/respin/internal/xz"
	"github.com/respin-project/respin/internal/zst"
)

// An Input is a disk that was opened.
type Input struct {
	Source  Source
	closers []io.Closer
}

// Close closes the files behind the disk.
func (in *Input) Close() error {
	var errs []error
	for i := len(in.closers) - 1; i >= 0; i-- {
		errs = append(errs, in.closers[i].Close())
	}
	return errors.Join(errs...)
}

// Open opens a disk for reading: a raw one, a qcow2, or a raw one compressed
// with xz, zstd or gzip. What does not tell its size is unpacked to a
// temporary file in the folder scratch first.
func Open(ctx context.Context, path, scratch string, rep *report.Report) (*Input, error) {
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
func OpenStream(ctx context.Context, r io.Reader, scratch string, rep *report.Report) (*Input, error) {
	var in *Input
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
func open(ctx context.Context, f *os.File, scratch string, rep *report.Report) (*Input, error) {
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
	case "raw":
		return &Input{Source: disk}, nil
	case "qcow2":
		src, err := qcow2.NewReader(f, size)
		return &Input{Source: src}, err
	case "xz":
		src, name, err := xz.Open(ctx, f, size, ahead())
		if err != nil {
			return nil, err
		}
		rep.Printf("xz: unpacking with %s", name)
		return &Input{Source: src, closers: []io.Closer{src}}, nil
	case "zst":
		src, err := zst.Open(f, size, ahead())
		if err != nil {
			return nil, err
		}
		if src != nil {
			return &Input{Source: src, closers: []io.Closer{src}}, nil
		}
		stream, err := zst.Stream(io.NewSectionReader(f, 0, size))
		if err != nil {
			return nil, err
		}
		defer stream.Close()
		return spoolDisk(ctx, stream, scratch, rep)
	case "gz":
		return spool(ctx, io.NewSectionReader(f, 0, size), scratch, rep)
	default:
		return nil, unreadable(kind)
	}
}

// ahead is how many parts are unpacked at a time.
func ahead() int { return min(runtime.GOMAXPROCS(0), 4) }

// signatures are what files of a kind begin with. What can be read has the
// name of its stream, what cannot that of its format.
var signatures = []struct{ kind, magic string }{
	{"qcow2", "QFI\xfb"},
	{"xz", "\xfd7zXZ\x00"},
	{"zst", "\x28\xb5\x2f\xfd"},
	{"gz", "\x1f\x8b"},
	{"VMDK", "KDMV"},
	{"VMDK", "# Disk DescriptorFile"},
	{"VHDX", "vhdxfile"},
	{"dynamic VHD", "conectix"},
}

// Detect returns the kind of a file from its first bytes.
func Detect(head []byte) string {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			return s.kind
		}
	}
	if len(head) >= 68 && bytes.Equal(head[64:68], []byte{0x7f, 0x10, 0xda, 0xbe}) {
		return "VDI"
	}
	return "raw"
}

// DiskName is the name of the disk in a file: the file's without its folder and
// the extensions that tell a format.
func DiskName(path string) string {
	if path == "-" {
		return "disk"
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, ext := range []string{".xz", ".zst", ".gz", ".raw", ".img", ".qcow2"} {
		if short := strings.TrimSuffix(name, ext); short != "" {
			name = short
		}
	}
	return name
}
