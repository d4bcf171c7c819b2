package smoke

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/near"
)

// formats are the artifacts' formats that can be booted, the one that is preferred first, and
// the drivers with which QEMU reads them. A packed raw disk has none and is unpacked.
var formats = []struct{ name, driver string }{
	{"qcow2", "qcow2"}, {"raw", "raw"}, {"vmdk", "vmdk"}, {"vhd", "vpc"},
	{"raw.zst", ""}, {"raw.gz", ""}, {"raw.xz", ""},
}

// Formats are the names of the formats that can be booted, the one that is preferred first.
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Bootable returns an error unless artifacts of the format can be booted.
func Bootable(format string) error {
	names := Formats()
	if slices.Contains(names, base(format)) {
		return nil
	}
	err := fmt.Errorf("cannot boot format %q", format)
	if meant, ok := near.Name(format, names); ok {
		return hint.Wrap(err, "did you mean %s?", meant)
	}
	return hint.Wrap(err, "the formats that can be are %s", strings.Join(names, ", "))
}

// base is a format's name without its options, as in "qcow2:zstd".
func base(format string) string {
	name, _, _ := strings.Cut(format, ":")
	return name
}

// choose returns the artifact of m to boot: that of the format given, or else the one preferred.
func choose(m *manifest.Manifest, format string) (*manifest.Artifact, error) {
	if format != "" {
		for i, a := range m.Artifacts {
			if a.Format == format {
				return &m.Artifacts[i], nil
			}
		}
		return nil, fmt.Errorf("the image has no artifact of format %q", format)
	}
	for _, f := range formats {
		for i, a := range m.Artifacts {
			if base(a.Format) == f.name {
				return &m.Artifacts[i], nil
			}
		}
	}
	return nil, hint.Wrap(fmt.Errorf("the image has no artifact that can be booted"), "the formats that can be are %s: run img-convert --to qcow2 before", strings.Join(Formats(), ", "))
}

// magics are how files of a format begin.
var magics = []struct{ format, magic string }{
	{"qcow2", "QFI\xfb"}, {"vmdk", "KDMV"}, {"raw.xz", "\xfd7zXZ\x00"}, {"raw.zst", "\x28\xb5\x2f\xfd"}, {"raw.gz", "\x1f\x8b"},
}

// detect returns the format of the disk image in f.
func detect(f *os.File) (string, error) {
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	if st.IsDir() {
		return "", fmt.Errorf("reading %s: it is a folder", f.Name())
	}
	head := make([]byte, 8)
	if n, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", err
	} else if n == 0 {
		return "", fmt.Errorf("reading %s: it is empty", f.Name())
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.format, nil
		}
	}
	if st.Size() > 512 {
		foot := make([]byte, 8)
		if _, err := f.ReadAt(foot, st.Size()-512); err == nil && string(foot) == "conectix" {
			return "vhd", nil
		}
	}
	return "raw", nil
}
