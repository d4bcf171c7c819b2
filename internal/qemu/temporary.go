package qemu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/qcow2"
	"golang.org/x/sys/unix"
)

// TemporaryFolder is the folder for large temporary files.
func TemporaryFolder() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/var/tmp"
}

// TemporaryFile makes a file without a name, which is gone with its last
// descriptor. Its Name is not its path.
func TemporaryFile() (*os.File, error) {
	dir := TemporaryFolder()
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), filepath.Join(dir, "(unnamed)")), nil
	}
	f, err := os.CreateTemp(dir, "respin-") // not every file system can do it
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// temporaries makes what the guest writes to: an overlay for the disk, and a
// copy of the firmware's variables, nil if it has none. QEMU makes them too, but if it is
// killed in that moment it leaves them behind.
func (m Machine) temporaries() (overlay, variables *os.File, err error) {
	if overlay, err = emptyDisk(); err != nil {
		return nil, nil, hint.Wrap(fmt.Errorf("making the guest's disk: %w", err), "it needs room in %s: TMPDIR names another folder", TemporaryFolder())
	}
	if m.Firmware == nil {
		return overlay, nil, nil
	}
	if variables, err = copyOf(m.Firmware.Variables.Path); err != nil {
		overlay.Close()
		return nil, nil, fmt.Errorf("copying the firmware's variables: %w", err)
	}
	return overlay, variables, nil
}

// emptyDisk is a qcow2 file of nothing. It is large, for QEMU guesses the disk's geometry before
// it is given its size, and GRUB goes astray on a disk with that of a small one.
func emptyDisk() (*os.File, error) {
	f, err := TemporaryFile()
	if err != nil {
		return nil, err
	}
	const size = 64 << 30
	w, err := qcow2.NewWriter(f, size, qcow2.Zlib, qcow2.DefaultCluster)
	if err == nil {
		err = errors.Join(w.Zeros(size), w.Close())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func copyOf(path string) (*os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	f, err := TemporaryFile()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, in); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
