package convert

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/near"
	"github.com/respin-project/respin/internal/qcow2"
	"github.com/respin-project/respin/internal/raw"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/xz"
)

// A Format is one that a disk can be converted to.
type Format struct {
	Name      string // as --to names it
	Ext       string // of its file's name, without a dot before it
	MediaType string
	disk      stream // how the disk itself is encoded
}

// A stream is an encoding of a disk. Formats that wrap the same stream in
// files of their own share one encoder.
type stream struct {
	kind        string
	compression qcow2.Compression
	cluster     int
}

// formats are all there are, in the order in which the manual lists them.
var formats = []Format{
	{Name: "qcow2", Ext: "qcow2", MediaType: "application/x-qemu-disk", disk: stream{"qcow2", qcow2.Zlib, qcow2.DefaultCluster}},
	{Name: "qcow2:zstd", Ext: "zstd.qcow2", MediaType: "application/x-qemu-disk", disk: stream{"qcow2", qcow2.Zstd, qcow2.DefaultCluster}},
	{Name: "raw", Ext: "raw", MediaType: "application/octet-stream", disk: stream{kind: "raw"}},
	{Name: "raw.xz", Ext: "raw.xz", MediaType: "application/x-xz", disk: stream{kind: "xz"}},
}

// ParseFormats reads a list of formats, separated by commas.
func ParseFormats(list string) ([]Format, error) {
	var chosen []Format
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(formats, func(f Format) bool { return f.Name == name })
		if i < 0 {
			return nil, unknown(name)
		}
		if !slices.Contains(chosen, formats[i]) {
			chosen = append(chosen, formats[i])
		}
	}
	return chosen, nil
}

func unknown(name string) error {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	err := fmt.Errorf("unknown format %q", name)
	if meant, ok := near.Name(name, names); ok {
		return hint.Wrap(err, "did you mean %s?", meant)
	}
	return hint.Wrap(err, "the formats are %s", strings.Join(names, ", "))
}

// whole reports whether the disk's own digest says as much of the file as the
// file's does: the file is the disk, or a compressor's stream of it.
func (s stream) whole() bool { return s.kind == "raw" || s.kind == "xz" }

// open returns the stream's encoder for a disk of size bytes.
func (s stream) open(ctx context.Context, to sections, size int64, rep *report.Report) (Encoder, error) {
	switch s.kind {
	case "qcow2":
		return qcow2.NewWriter(to, size, s.compression, s.cluster)
	case "raw":
		return raw.NewWriter(to), nil
	case "xz":
		c, name := xz.Find(ctx)
		rep.Printf("compressing xz with %s", name)
		return xz.NewWriter(ctx, to, c)
	}
	panic("no stream " + s.kind)
}
