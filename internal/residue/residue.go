// Package residue removes from a finished tree what building it left there:
// identities that no two machines may share, caches, logs and locks, and the
// time of the build itself.
package residue

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/tree"
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
	if err := emptyAll(tree); err != nil {
		return err
	}
	if err := forgetMachine(tree); err != nil {
		return err
	}
	return settleDatabases(ctx, tree, tools)
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

// emptyAll empties the folders of emptied. A script may have made links of
// them or of what they are in: nothing outside the tree is touched.
func emptyAll(tree string) error {
	r, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, dir := range emptied {
		if st, err := r.Lstat(dir); err != nil || !st.IsDir() {
			continue // missing, a link to where it is emptied, or out of the tree
		}
		entries, err := fs.ReadDir(r.FS(), dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := r.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetMachine empties /etc/machine-id, unless a script has already made the
// image forget it in its own way. Empty means that systemd makes an id at boot;
// "uninitialized", which scripts may write, in addition makes that boot count as the
// first one, when presets are applied over what the kickstart said of services.
func forgetMachine(dir string) error {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.Lstat("usr/lib/systemd/systemd"); err != nil {
		return nil
	}
	text, err := tree.ReadFile(dir, "etc/machine-id")
	if id := strings.TrimSpace(string(text)); err == nil && (id == "" || id == "uninitialized") {
		return nil
	}
	r.Remove("etc/machine-id")
	return r.WriteFile("etc/machine-id", nil, 0o444)
}

// databases are where package managers keep theirs.
var databases = []string{"usr/lib/sysimage/rpm/*.sqlite", "var/lib/rpm/*.sqlite", "usr/lib/sysimage/libdnf5/*.sqlite", "var/lib/dnf/*.sqlite"}

// settleDatabases leaves each database in one file. Beside it they have a log
// of what is not yet written back and an index in shared memory, which differ
// from build to build; without these two nobody but root could open a database
// that says it has a log, so SQLite itself has to do away with it.
func settleDatabases(ctx context.Context, tree, tools string) error {
	if _, err := os.Stat(filepath.Join(tools, "usr/bin/sqlite3")); err != nil {
		return nil // as they are they work too
	}
	for _, pattern := range databases {
		found, err := filepath.Glob(filepath.Join(tree, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() {
				continue
			}
			name := strings.TrimPrefix(path, tree)
			cmd := sandbox.Command{
				Root: tools, ReadOnly: true, Env: sandbox.Environment(),
				Args:   []string{"sqlite3", "/target" + name, "PRAGMA journal_mode=DELETE"},
				Mounts: []sandbox.Mount{{Source: tree, Target: "/target"}},
			}
			if output, err := cmd.Output(ctx); err != nil {
				return fmt.Errorf("settling %s: %w", name, err)
			} else if strings.TrimSpace(output) != "delete" {
				return fmt.Errorf("settling %s: sqlite3 says %q", name, output)
			}
		}
	}
	return nil
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
