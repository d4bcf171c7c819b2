// Package residue removes from a finished tree what building it left there:
// identities that no two machines may share, caches, logs and locks, and the
// time of the build itself.
package residue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/respin-project/respin/internal/sandbox"
	"golang.org/x/sys/unix"
)

// secrets and identities, caches, logs and locks, as globs below the tree.
// What a script or package is known to want in an image is not among them.
var removed = []string{
	// Identities: systemd's "Building Images Safely" lists them.
	"var/lib/systemd/random-seed",
	"var/lib/systemd/credential.secret",
	"boot/efi/loader/random-seed",
	"boot/loader/random-seed",
	"etc/ssh/ssh_host_*key*",
	"var/lib/NetworkManager/secret_key",
	"var/lib/NetworkManager/*.lease",
	"var/lib/dbus/machine-id",

	// Caches and logs of the installation.
	"var/cache/dnf/*", "var/cache/libdnf5/*", "var/cache/yum/*", "var/cache/ldconfig/aux-cache",
	"var/log/dnf*.log*", "var/log/hawkey.log*", "var/log/dnf5.log*", "var/log/journal/*",
	"var/lib/dnf/repos", "var/lib/dnf/*.lock*",
	"root/.bash_history", "root/.dnf5", "root/.cache",

	// Locks, and what says that something was brought up to date here.
	"etc/.pwd.lock", "etc/.updated", "var/.updated",
	"usr/lib/sysimage/rpm/.rpm.lock", "var/lib/rpm/.rpm.lock",
}

// emptied are folders that are empty when a system boots.
var emptied = []string{"proc", "sys", "dev", "run", "tmp", "var/tmp"}

// Remove cleans the tree. tools is the buildroot.
func Remove(ctx context.Context, tree, tools string) error {
	for _, pattern := range removed {
		found, err := filepath.Glob(filepath.Join(tree, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := removeOwn(tree, path); err != nil {
				return err
			}
		}
	}
	for _, dir := range emptied {
		if err := empty(filepath.Join(tree, dir)); err != nil {
			return err
		}
	}
	if err := forgetMachine(tree); err != nil {
		return err
	}
	return settleDatabase(ctx, tree, tools)
}

// removeOwn removes a path of the tree, through no link that leads out of it.
func removeOwn(tree, path string) error {
	name, err := filepath.Rel(tree, path)
	if err != nil {
		return err
	}
	r, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer r.Close()
	// D-Bus's copy of the machine-id may be a link to the real one, which is as it should be.
	if st, err := r.Lstat(name); err != nil || name == "var/lib/dbus/machine-id" && st.Mode()&fs.ModeSymlink != 0 {
		return err
	}
	return r.RemoveAll(name)
}

func empty(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil || !st.IsDir() {
		return nil // missing, or a link to where it is emptied
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// forgetMachine empties /etc/machine-id. Empty means that systemd makes one at
// boot; "uninitialized" would in addition apply all presets again at the first
// boot and so undo what the kickstart said of services.
func forgetMachine(tree string) error {
	r, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.Lstat("usr/lib/systemd/systemd"); err != nil {
		return nil
	}
	if text, err := r.ReadFile("etc/machine-id"); err == nil && len(text) == 0 {
		return nil
	}
	r.Remove("etc/machine-id")
	return r.WriteFile("etc/machine-id", nil, 0o444)
}

// settleDatabase leaves the RPM database in one file: its log is written back,
// and its shared-memory index, which is made anew when needed, goes. Without
// the two only root could open the database, for as long as it says that it
// has a log; so it says so no more. The next transaction turns the log on again.
func settleDatabase(ctx context.Context, tree, tools string) error {
	for _, dir := range []string{"usr/lib/sysimage/rpm", "var/lib/rpm"} {
		path := filepath.Join(tree, dir, "rpmdb.sqlite")
		if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() {
			continue
		}
		if logged(path) {
			cmd := sandbox.Command{
				Root: tools, ReadOnly: true, Env: sandbox.Environment(),
				Args:   []string{"rpmdb", "--root=/target", "--initdb"},
				Mounts: []sandbox.Mount{{Source: tree, Target: "/target"}},
			}
			if _, err := cmd.Output(ctx); err != nil {
				return fmt.Errorf("writing back the RPM database: %w", err)
			}
		}
		if logged(path) {
			return errors.New("writing back the RPM database: its log is not empty")
		}
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		if err := withoutLog(path); err != nil {
			return fmt.Errorf("settling the RPM database: %w", err)
		}
	}
	return nil
}

// logged reports whether a database has a write-ahead log that holds something.
func logged(path string) bool {
	st, err := os.Stat(path + "-wal")
	return err == nil && st.Size() > 0
}

// withoutLog changes the header of an SQLite database without pending changes
// from "has a write-ahead log" to "has none": the versions for writing and
// reading at offsets 18 and 19 (https://www.sqlite.org/fileformat.html).
func withoutLog(path string) error {
	const magic, versions = "SQLite format 3\x00", 18
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, versions+2)
	if _, err := f.ReadAt(header, 0); err != nil {
		return err
	}
	if string(header[:len(magic)]) != magic {
		return errors.New("it is no SQLite database")
	}
	if header[versions] != 2 || header[versions+1] != 2 {
		return nil
	}
	if _, err := f.WriteAt([]byte{1, 1}, versions); err != nil {
		return err
	}
	return f.Close()
}

// Clamp sets every time in the tree that is later than date, seconds since
// 1970, back to it, without following links.
func Clamp(tree string, date int64) error {
	when := []unix.Timespec{{Sec: date}, {Sec: date}}
	return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		times := []unix.Timespec{{Sec: date}, {Sec: st.Mtim.Sec, Nsec: st.Mtim.Nsec}}
		if st.Mtim.Sec >= date {
			times = when
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// Size returns what the regular files of a tree hold, bytes, each hard link once.
func Size(tree string) (total int64, err error) {
	seen := map[uint64]bool{}
	err = filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if st.Nlink > 1 {
			if seen[st.Ino] {
				return nil
			}
			seen[st.Ino] = true
		}
		total += st.Size
		return nil
	})
	return total, err
}
