// Package ova writes OVF packages as single files (DMTF DSP0243 1.1.0,
// section 5.3): an archive of the descriptor, a manifest with the SHA-256 of
// the files, and the disk as a streamOptimized VMDK.
package ova

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"math"

	"github.com/respin-project/respin/internal/ovf"
	"github.com/respin-project/respin/internal/ustar"
	"github.com/respin-project/respin/internal/vmdk"
)

// A File is what an archive is written to.
type File interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
}

// An Archive is the package around a VMDK.
type Archive struct {
	machine ovf.Machine
	room    int64 // for the descriptor, bytes
}

// New returns the package for a VMDK with a disk of size bytes; name is the machine's.
func New(name string, size int64) (*Archive, error) {
	a := &Archive{machine: ovf.Machine{
		Name:       name,
		Disk:       name + "-disk1.vmdk",
		Size:       math.MaxInt64,
		Capacity:   vmdk.Size(size),
		Virtual:    "vmx-13",
		Controller: "VirtualSCSI",
		Network:    "VmxNet3",
	}}
	longest, err := a.machine.Descriptor()
	if err != nil {
		return nil, err
	}
	a.room = int64(len(longest))
	_, err = a.head(longest, [32]byte{})
	return a, err
}

// Head is how many bytes stand before the VMDK.
func (a *Archive) Head() int64 {
	descriptor := ustar.Sector + a.room + int64(len(ustar.Pad(a.room)))
	sums := int64(len(a.sums([32]byte{}, [32]byte{})))
	return descriptor + ustar.Sector + sums + int64(len(ustar.Pad(sums))) + ustar.Sector
}

func (a *Archive) sums(descriptor, disk [32]byte) []byte {
	return fmt.Appendf(nil, "SHA256(%s.ovf)= %x\nSHA256(%s)= %x\n", a.machine.Name, descriptor, a.machine.Disk, disk)
}

// head is what stands before the VMDK.
func (a *Archive) head(descriptor []byte, disk [32]byte) ([]byte, error) {
	head, err := ustar.File(a.machine.Name+".ovf", descriptor)
	if err != nil {
		return nil, err
	}
	sums, err := ustar.File(a.machine.Name+".mf", a.sums(sha256.Sum256(descriptor), disk))
	if err != nil {
		return nil, err
	}
	header, err := ustar.Header(tar.Header{Name: a.machine.Disk, Mode: 0o644, Size: a.machine.Size})
	return append(append(head, sums...), header...), err
}

// Finish completes the file around the VMDK of n bytes.
func (a *Archive) Finish(f File, n int64) error {
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(f, a.Head(), n)); err != nil {
		return err
	}
	a.machine.Size = n
	descriptor, err := a.machine.Descriptor()
	if err != nil {
		return err
	}
	for int64(len(descriptor)) < a.room { // white space may follow the document
		descriptor = append(descriptor, '\n')
	}
	head, err := a.head(descriptor, [32]byte(digest.Sum(nil)))
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(head, 0); err != nil {
		return err
	}
	_, err = f.Write(append(ustar.Pad(n), ustar.End()...))
	return err
}
