package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/near"
	"github.com/respin-project/respin/internal/qcow2"
)

// A Format is one that a disk can be converted to.
type Format struct {
	Name      string // as --to names it
	Ext       string // of its file's name, without a dot before it
	MediaType string

	disk stream                       // how the disk itself is encoded
	wrap func(*Disk) (wrapper, error) // what is around it in the file; nil: nothing
}

// A stream is an encoding of a disk. Formats that put the same stream into
// files of their own share one encoder.
type stream struct {
	kind        string
	compression qcow2.Compression
	cluster     int // bytes
}

var (
	qcow2Zlib = stream{"qcow2", qcow2.Zlib, qcow2.DefaultCluster}
	qcow2Zstd = stream{"qcow2", qcow2.Zstd, qcow2.DefaultCluster}
)

// formats are all there are, in the order in which the manual lists them.
var formats = []Format{
	{"qcow2", "qcow2", "application/x-qemu-disk", qcow2Zlib, nil},
	{"qcow2:zstd", "zstd.qcow2", "application/x-qemu-disk", qcow2Zstd, nil},
	{"raw", "raw", "application/octet-stream", stream{kind: "raw"}, nil},
	{"raw.xz", "raw.xz", "application/x-xz", stream{kind: "xz"}, nil},
	{"raw.zst", "raw.zst", "application/zstd", stream{kind: "zst"}, nil},
	{"raw.gz", "raw.gz", "application/gzip", stream{kind: "gz"}, nil},
	{"vmdk", "vmdk", "application/x-vmdk", stream{kind: "vmdk"}, nil},
	{"ova", "ova", "application/ovf", stream{kind: "vmdk"}, asOVA},
	{"vhd", "vhd", "application/x-vhd", stream{kind: "raw"}, asVHD},
	{"vhd:dynamic", "dynamic.vhd", "application/x-vhd", stream{kind: "vhd"}, nil},
	{"gce", "gce.tar.gz", "application/gzip", stream{kind: "gce"}, nil},
	{"box:libvirt", "vagrant.libvirt.box", "application/x-tar", qcow2Zlib, asLibvirtBox},
	{"box:virtualbox", "vagrant.virtualbox.box", "application/x-tar", stream{kind: "vmdk"}, asVirtualBoxBox},
	{"containerdisk", "containerdisk.oci.tar", "application/x-tar", qcow2Zlib, asContainerDisk},
	{"podman-machine", "podman-machine.oci.tar", "application/x-tar", qcow2Zlib, asPodmanQemu},
	{"podman-machine:applehv", "podman-machine.applehv.oci.tar", "application/x-tar", stream{kind: "zst"}, asPodmanAppleHV},
}

// several are names that stand for more than one format.
var several = map[string][]string{"box": {"box:libvirt", "box:virtualbox"}}

// ParseFormats reads a list of formats, separated by commas.
func ParseFormats(list string) ([]Format, error) {
	var chosen []Format
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		names := several[name]
		if names == nil {
			names = []string{name}
		}
		for _, name := range names {
			f, err := parseFormat(name)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(chosen, func(c Format) bool { return c.Name == f.Name }) {
				chosen = append(chosen, f)
			}
		}
	}
	return chosen, nil
}

func parseFormat(name string) (Format, error) {
	if base, size, ok := strings.Cut(name, ":cluster="); ok && (base == "qcow2" || base == "qcow2:zstd") {
		return withCluster(base, size)
	}
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
	}
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	err := fmt.Errorf("unknown format %q", name)
	if meant, ok := near.Name(name, names); ok {
		return Format{}, hint.Wrap(err, "did you mean %s?", meant)
	}
	return Format{}, hint.Wrap(err, "the formats are %s", strings.Join(names, ", "))
}

// withCluster returns a qcow2 format with clusters of a size such as "2M".
func withCluster(base, size string) (Format, error) {
	f, err := parseFormat(base)
	if err != nil {
		return f, err
	}
	number, unit := strings.TrimRight(size, "KMkm"), 1
	switch strings.ToUpper(strings.TrimPrefix(size, number)) {
	case "K":
		unit = 1 << 10
	case "M":
		unit = 1 << 20
	}
	n, err := strconv.Atoi(number)
	if err != nil || n <= 0 || n > 1<<30 {
		return f, hint.Wrap(fmt.Errorf("%q is no cluster size", size), "write it like 64K or 2M")
	}
	if f.disk.cluster = n * unit; f.disk.cluster == qcow2.DefaultCluster {
		return f, nil
	}
	if err := qcow2.CheckCluster(f.disk.cluster); err != nil {
		return f, err
	}
	f.Name += ":cluster=" + size
	f.Ext = strings.TrimSuffix(f.Ext, "qcow2") + size + ".qcow2"
	return f, nil
}
