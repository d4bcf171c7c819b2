package inspect

import "io"

// A System is the distribution that is installed on a disk.
type System struct {
	Name     string `json:"name"`               // PRETTY_NAME of os-release
	Packages int    `json:"packages,omitempty"` // in the RPM database
}

func (img *Image) readSystem(parts []*io.SectionReader) {}
