package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Workspace is an empty file system in memory, for a tree that is being
// made. It takes every owner, device and security attribute, also from an
// ordinary user inside a namespace; it is bounded; and however the process
// ends, it is gone. It exists only in the process that Enter led into.
type Workspace struct{ Dir string }

// NewWorkspace mounts one of at most size bytes on the folder dir.
func NewWorkspace(dir string, size int64) (*Workspace, error) {
	if !entered {
		return nil, errors.New("a workspace needs a namespace of its own: call Enter first")
	}
	if err := tmpfs(dir, 0o755, size); err != nil {
		return nil, err
	}
	return &Workspace{dir}, nil
}

// Resize changes how much it holds at most, bytes. What is in it stays.
func (w *Workspace) Resize(size int64) error {
	options := fmt.Sprintf("mode=755,size=%d", size)
	if err := unix.Mount("", w.Dir, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("changing the size of the workspace: %w", err)
	}
	return nil
}

// Used returns how many bytes are in it.
func (w *Workspace) Used() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(w.Dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize, nil
}

// Close gives the memory back.
func (w *Workspace) Close() error { return unix.Unmount(w.Dir, unix.MNT_DETACH) }

// AvailableMemory returns how much a workspace can hold at the moment without
// pushing programs out, bytes: the memory that is available and the free swap.
func AvailableMemory() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var total int64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if name != "MemAvailable" && name != "SwapFree" {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading /proc/meminfo: %w", err)
		}
		total += kib << 10
	}
	return total, nil
}
