package convert

import (
	"context"

	"github.com/respin-project/respin/internal/box"
	"github.com/respin-project/respin/internal/containerdisk"
	"github.com/respin-project/respin/internal/gce"
	"github.com/respin-project/respin/internal/gz"
	"github.com/respin-project/respin/internal/ova"
	"github.com/respin-project/respin/internal/podmanmachine"
	"github.com/respin-project/respin/internal/qcow2"
	"github.com/respin-project/respin/internal/raw"
	"github.com/respin-project/respin/internal/vhd"
	"github.com/respin-project/respin/internal/vmdk"
	"github.com/respin-project/respin/internal/xz"
	"github.com/respin-project/respin/internal/zst"
)

// A Disk is what the formats want to know of what they hold.
type Disk struct {
	Name string // of the machine that has it, and of its files
	Arch string // as RPM names it

	size int64 // bytes
}

// open returns the stream's encoder of a disk.
func (s stream) open(ctx context.Context, to sections, d *Disk) (Encoder, error) {
	switch s.kind {
	case "qcow2":
		return qcow2.NewWriter(to, d.size, s.compression, s.cluster)
	case "raw":
		return raw.NewWriter(to), nil
	case "xz":
		return xz.NewWriter(ctx, to)
	case "zst":
		return zst.NewWriter(to), nil
	case "gz":
		return gz.NewWriter(to)
	case "vmdk":
		return vmdk.NewWriter(to, d.size)
	case "vhd":
		return vhd.NewDynamic(to, d.size)
	case "gce":
		return gce.NewWriter(to, d.size)
	}
	panic("no stream " + s.kind)
}

// virtual is the size of the disk in the stream: as large as the format makes
// it, bytes.
func (f Format) virtual(size int64) int64 {
	switch {
	case f.disk.kind == "qcow2":
		return qcow2.Size(size)
	case f.disk.kind == "vmdk":
		return vmdk.Size(size)
	case f.disk.kind == "vhd", f.Name == "vhd":
		return vhd.Size(size)
	case f.disk.kind == "gce":
		return gce.Size(size)
	}
	return size
}

// whole reports whether all of the disk's bytes matter to whoever gets the
// file, so that the disk's own digest is worth taking: the file is the disk,
// or a compressor's stream of it.
func (s stream) whole() bool {
	switch s.kind {
	case "raw", "xz", "zst", "gz":
		return true
	}
	return false
}

// A wrapper is what a file has around a disk's stream.
type wrapper struct {
	head   int64                        // bytes before the stream
	finish func(f *file, n int64) error // writes all the rest, after the stream of n bytes
}

func asOVA(d *Disk) (wrapper, error) {
	a, err := ova.New(d.Name, d.size)
	if err != nil {
		return wrapper{}, err
	}
	return wrapper{a.Head(), func(f *file, n int64) error { return a.Finish(f, n) }}, nil
}

// asVHD is a fixed VHD, whose identity comes from the disk's digest.
func asVHD(d *Disk) (wrapper, error) {
	v, err := vhd.NewFixed(d.size)
	return wrapper{0, func(f *file, _ int64) error { return v.Finish(f, f.sum.Sum(nil)) }}, err
}

func asLibvirtBox(d *Disk) (wrapper, error) { return inBox(box.Libvirt(d.size)) }

func asVirtualBoxBox(d *Disk) (wrapper, error) { return inBox(box.VirtualBox(d.Name, d.size)) }

func inBox(b *box.Box) (wrapper, error) {
	return wrapper{b.Head(), func(f *file, n int64) error { return b.Finish(f, n) }}, nil
}

func asContainerDisk(d *Disk) (wrapper, error) {
	a := containerdisk.New(d.Arch)
	return wrapper{a.Head(), func(f *file, n int64) error { return a.Finish(f, n) }}, nil
}

func asPodmanQemu(d *Disk) (wrapper, error) { return inArtifact(podmanmachine.Qemu(d.Name, d.Arch)) }

func asPodmanAppleHV(d *Disk) (wrapper, error) {
	return inArtifact(podmanmachine.AppleHV(d.Name, d.Arch))
}

func inArtifact(a *podmanmachine.Archive) (wrapper, error) {
	return wrapper{a.Head(), func(f *file, n int64) error { return a.Finish(f, n) }}, nil
}
