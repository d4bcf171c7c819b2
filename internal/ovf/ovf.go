// Package ovf writes the descriptor of a virtual machine with one disk, as
// the Open Virtualization Format Specification 1.1.0 (DMTF DSP0243) defines it.
package ovf

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"strings"
	"text/template"
)

// A Machine is what a descriptor describes: enough for a cloud image to boot,
// for its user to change.
type Machine struct {
	Name     string
	Disk     string // name of the VMDK file
	Size     int64  // of that file, bytes
	Capacity int64  // of the disk in it, bytes

	Virtual    string // the virtual system type, such as "vmx-13" or "virtualbox-2.2"
	Controller string // "VirtualSCSI", or "AHCI"
	Network    string // "VmxNet3", or "E1000"
	MAC        string // of the network card, hex digits; empty for any
}

// The hardware that nobody has to know.
const (
	Processors = 2
	Memory     = 2048 // MiB
)

//go:embed descriptor.xml
var text string

var descriptor = template.Must(template.New("descriptor").Funcs(template.FuncMap{"xml": escape}).Parse(text))

func escape(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

// Descriptor returns the machine's .ovf file.
func (m Machine) Descriptor() ([]byte, error) {
	var b bytes.Buffer
	err := descriptor.Execute(&b, struct {
		Machine
		Processors, Memory int
	}{m, Processors, Memory})
	return b.Bytes(), err
}
