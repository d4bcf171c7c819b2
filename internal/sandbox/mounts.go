package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// enterRoot makes the mounts and makes Root the root of this process.
func (o *orders) enterRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// pivot_root asks for a mount of its own; nodev keeps device nodes in it shut.
	if err := bind(o.Root, o.Root, false); err != nil {
		return err
	}
	if err := remount(o.Root, unix.MS_NODEV); err != nil {
		return err
	}
	for _, m := range append([]Mount{{Target: "/", System: true}}, o.Mounts...) {
		var err error
		if m.System {
			err = mountSystem(inside(o.Root, m.Target))
		} else {
			err = m.mount(o.Root)
		}
		if err != nil {
			return err
		}
	}
	if o.ReadOnly {
		if err := remount(o.Root, unix.MS_RDONLY); err != nil {
			return err
		}
	}
	if err := unix.Chdir(o.Root); err != nil {
		return fmt.Errorf("entering %q: %w", o.Root, err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root to %q: %w", o.Root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the host's root: %w", err)
	}
	return unix.Chdir("/")
}

// inside joins a path to a root without following ".." out of it. Links are a
// matter of trust: the trees that are given to this package are made by it and
// by programs confined to them, so every target is checked by resolve.
func inside(root, path string) string { return filepath.Join(root, filepath.Join("/", path)) }

func (m Mount) mount(root string) error {
	st, err := os.Stat(m.Source)
	if m.Source != "" && err != nil {
		return err
	}
	target, err := mountPoint(root, m.Target, m.Source == "" || st.IsDir())
	if err != nil {
		return err
	}
	if m.Source != "" {
		return bind(m.Source, target, m.ReadOnly)
	}
	return tmpfs(target, 0o755, m.Size)
}

// mountPoint makes the folder or empty file that something is mounted on, and
// refuses one that a link leads out of the root to.
func mountPoint(root, path string, folder bool) (string, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return "", err
	}
	defer r.Close()
	relative := filepath.Join(".", filepath.Join("/", path))
	if _, err := r.Stat(relative); err != nil {
		if folder {
			err = r.MkdirAll(relative, 0o755)
		} else if err = r.MkdirAll(filepath.Dir(relative), 0o755); err == nil {
			var f *os.File
			if f, err = r.Create(relative); err == nil {
				err = f.Close()
			}
		}
		if err != nil {
			return "", fmt.Errorf("making the mount point %q: %w", path, err)
		}
	}
	return inside(root, path), nil
}

func bind(source, target string, readOnly bool) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %q on %q: %w", source, target, err)
	}
	if !readOnly {
		return nil
	}
	return remount(target, unix.MS_RDONLY)
}

// remount adds flags to a mount and keeps those that it has: in a user namespace they are locked.
func remount(target string, flags uintptr) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		return err
	}
	flags |= uintptr(fs.Flags) & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|flags, ""); err != nil {
		return fmt.Errorf("changing the mount %q: %w", target, err)
	}
	return nil
}

func tmpfs(target string, mode uint32, size int64) error {
	options := fmt.Sprintf("mode=%o", mode)
	if size > 0 {
		options += fmt.Sprintf(",size=%d", size)
	}
	if err := unix.Mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mounting a tmpfs on %q: %w", target, err)
	}
	return nil
}

// smallTmpfs bounds the file systems that programs scribble on, bytes.
const smallTmpfs = 256 << 20

// mountSystem gives a root its /proc, /sys, /dev, /run and /tmp.
func mountSystem(root string) error {
	points := map[string]string{}
	for _, name := range []string{"proc", "sys", "dev", "run", "tmp"} {
		target, err := mountPoint(root, name, true)
		if err != nil {
			return err
		}
		points[name] = target
	}
	if err := mountProc(points["proc"]); err != nil {
		return err
	}
	if err := mountSys(points["sys"]); err != nil {
		return err
	}
	if err := mountDev(points["dev"]); err != nil {
		return err
	}
	if err := tmpfs(points["run"], 0o755, smallTmpfs); err != nil {
		return err
	}
	return tmpfs(points["tmp"], 0o1777, smallTmpfs)
}

// mountProc hides what would let root change the host's kernel through /proc.
func mountProc(target string) error {
	if err := unix.Mount("proc", target, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return explain(fmt.Errorf("mounting /proc: %w", err))
	}
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus", "fs"} {
		path := filepath.Join(target, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := bind(path, path, true); err != nil {
			return err
		}
	}
	// The builder's own kernel command line must not get into the image.
	if err := bind("/dev/null", filepath.Join(target, "cmdline"), false); err != nil {
		return err
	}
	for _, name := range []string{"kcore", "kmsg"} {
		if path := filepath.Join(target, name); exists(path) {
			if err := bind("/dev/null", path, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// mountSys mounts a fresh sysfs where the network namespace is ours, and the host's otherwise.
func mountSys(target string) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY
	err := unix.Mount("sysfs", target, "sysfs", flags, "")
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mounting /sys: %w", err)
	}
	if err := unix.Mount("/sys", target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting /sys: %w", err)
	}
	return remount(target, unix.MS_RDONLY)
}

// mountDev makes a /dev of the harmless devices. Nodes are bound from the
// host's: an ordinary user may not make any.
func mountDev(target string) error {
	if err := unix.Mount("tmpfs", target, "tmpfs", unix.MS_NOSUID, "mode=755,size=16m"); err != nil {
		return fmt.Errorf("mounting /dev: %w", err)
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		path := filepath.Join(target, name)
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			return err
		}
		if err := bind("/dev/"+name, path, false); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(to, filepath.Join(target, name)); err != nil {
			return err
		}
	}
	for name, fstype := range map[string]string{"pts": "devpts", "shm": "tmpfs"} {
		path := filepath.Join(target, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		options := map[string]string{"pts": "newinstance,ptmxmode=0666,mode=620", "shm": "mode=1777,size=64m"}[name]
		if err := unix.Mount(fstype, path, fstype, unix.MS_NOSUID|unix.MS_NOEXEC, options); err != nil {
			return fmt.Errorf("mounting /dev/%s: %w", name, err)
		}
	}
	return nil
}
