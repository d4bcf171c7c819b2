package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// removeAll is os.RemoveAll for trees with folders that their owner may not
// write to. It refuses to go where something is mounted: what a build that was
// killed left mounted may be a folder of the host.
func removeAll(path string) error {
	if at := mountBelow(path); at != "" {
		return fmt.Errorf("removing %s: something is mounted at %s", path, at)
	}
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			if st, statErr := d.Info(); statErr == nil && st.Mode().Perm()&0o700 != 0o700 {
				os.Chmod(path, st.Mode().Perm()|0o700)
			}
		}
		return nil
	})
	return os.RemoveAll(path)
}

// mountBelow returns a mount point at or below path, "" if there is none.
func mountBelow(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	// Blanks and the like stand there as octal numbers; proc_pid_mountinfo(5).
	plain := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(mounts)) {
		const mountPoint = 4
		if fields := strings.Fields(line); len(fields) > mountPoint {
			at := plain.Replace(fields[mountPoint])
			if at == path || strings.HasPrefix(at, path+"/") {
				return at
			}
		}
	}
	return ""
}
