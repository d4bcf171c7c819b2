// Package box writes Vagrant boxes ("Box File Format" in Vagrant's
// documentation): archives of metadata.json, a Vagrantfile, and the disk as
// the provider wants it. They are not compressed, because the disk in them is.
package box

import (
	"archive/tar"
	"fmt"
	"io"

	"github.com/respin-project/respin/internal/ovf"
	"github.com/respin-project/respin/internal/ustar"
	"github.com/respin-project/respin/internal/vmdk"
)

// A File is what a box is written to.
type File interface {
	io.Writer
	io.WriterAt
}

// A Box is an archive around a disk's file.
type Box struct {
	disk string // name of the disk's file
	// members are the other files, by name, given the size of the disk's.
	members func(n int64) ([][2]string, error)
}

// Head is how many bytes stand before the disk's file.
func (b *Box) Head() int64 { return ustar.Sector }

// Finish completes the archive around the disk's file of n bytes.
func (b *Box) Finish(f File, n int64) error {
	header, err := ustar.Header(tar.Header{Name: b.disk, Mode: 0o644, Size: n})
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(header, 0); err != nil {
		return err
	}
	rest := ustar.Pad(n)
	members, err := b.members(n)
	if err != nil {
		return err
	}
	for _, m := range members {
		file, err := ustar.File(m[0], []byte(m[1]))
		if err != nil {
			return err
		}
		rest = append(rest, file...)
	}
	_, err = f.Write(append(rest, ustar.End()...))
	return err
}

// Libvirt returns a box for vagrant-libvirt, around a qcow2 of a disk of size
// bytes ("Box Format" in its documentation, version 1).
func Libvirt(size int64) *Box {
	const gib = 1 << 30
	return &Box{disk: "box.img", members: func(int64) ([][2]string, error) {
		metadata := fmt.Sprintf("{\"provider\":\"libvirt\",\"format\":\"qcow2\",\"virtual_size\":%d}\n", (size+gib-1)/gib)
		return [][2]string{{"metadata.json", metadata}, {"Vagrantfile", libvirtfile}}, nil
	}}
}

const libvirtfile = `Vagrant.configure("2") do |config|
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "kvm"
    libvirt.disk_bus = "virtio"
  end
end
`

// mac is the network card's of every new machine; Vagrant gives each clone another.
// Its first half is VirtualBox's own.
const mac = "080027A5B7C9"

// VirtualBox returns a box for VirtualBox, around a streamOptimized VMDK of a
// disk of size bytes; name is the machine's.
func VirtualBox(name string, size int64) *Box {
	return &Box{disk: "box-disk001.vmdk", members: func(n int64) ([][2]string, error) {
		descriptor, err := ovf.Machine{
			Name:       name,
			Disk:       "box-disk001.vmdk",
			Size:       n,
			Capacity:   vmdk.Size(size),
			Virtual:    "virtualbox-2.2",
			Controller: "AHCI",
			Network:    "E1000",
			MAC:        mac,
		}.Descriptor()
		vagrantfile := fmt.Sprintf("Vagrant.configure(\"2\") do |config|\n  config.vm.base_mac = %q\nend\n", mac)
		return [][2]string{
			{"metadata.json", "{\"provider\":\"virtualbox\"}\n"},
			{"Vagrantfile", vagrantfile},
			{"box.ovf", string(descriptor)},
		}, err
	}}
}
