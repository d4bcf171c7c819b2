package source

import "bytes"

// A Kind is what a file is, as its first bytes tell.
type Kind string

const (
	Raw        Kind = "raw" // anything that is nothing else
	Qcow2      Kind = "qcow2"
	XZ         Kind = "xz"
	Zstd       Kind = "zstd"
	Gzip       Kind = "gzip"
	VMDK       Kind = "VMDK"
	TextVMDK   Kind = "VMDK descriptor" // a text that names other files
	VHDX       Kind = "VHDX"
	DynamicVHD Kind = "dynamic VHD"
	VDI        Kind = "VDI"
)

var signatures = []struct {
	kind  Kind
	magic string
}{
	{Qcow2, "QFI\xfb"},
	{XZ, "\xfd7zXZ\x00"},
	{Zstd, "\x28\xb5\x2f\xfd"},
	{Gzip, "\x1f\x8b"},
	{VMDK, "KDMV"},
	{TextVMDK, "# Disk DescriptorFile"},
	{VHDX, "vhdxfile"},
	{DynamicVHD, "conectix"},
}

// Detect returns the kind of a file that begins with head, of which 512 bytes are enough.
func Detect(head []byte) Kind {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			return s.kind
		}
	}
	if len(head) >= 68 && bytes.Equal(head[64:68], []byte{0x7f, 0x10, 0xda, 0xbe}) {
		return VDI
	}
	return Raw
}
