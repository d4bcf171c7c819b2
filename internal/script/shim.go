package script

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/sandbox"
)

// shims are the programs that stand-ins answer for. shim.sh is all of them.
var shims = []string{"grub2-install", "grub-install", "grub2-probe", "grub-probe", "parted", "btrfs"}

//go:embed shim.sh
var shim string

// prepare puts the stand-ins and what they answer with into Work, which it
// makes anew: the script before could write there, and may have made links to
// files of the host of what is written and mounted now.
func (r *Runner) prepare() error {
	if err := os.RemoveAll(r.Work); err != nil {
		return err
	}
	bin := filepath.Join(r.Work, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, name := range shims {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(shim), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"disk", "requests"} {
		if err := os.WriteFile(filepath.Join(r.Work, name), nil, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(r.Work, "plan"), []byte(r.facts()), 0o644)
}

// facts are shell assignments: what a probe of the disk would find.
func (r *Runner) facts() string {
	var b strings.Builder
	for _, name := range []string{"root", "boot"} {
		m := r.Plan.Find(map[string]string{"root": "/", "boot": "/boot"}[name])
		if m.Partition == nil {
			continue
		}
		fs := m.Partition.FS
		fmt.Fprintf(&b, "%s_uuid=%s\n%s_fs=%s\n%s_number=%d\n", name, fs.UUID, name, grubName(fs.Type), name, m.Partition.Number)
	}
	fmt.Fprintf(&b, "label=%s\n", map[disk.Label]string{disk.GPT: "gpt", disk.MBR: "msdos"}[r.Plan.Label])
	return b.String()
}

// grubName is what GRUB calls a file system.
func grubName(fstype string) string {
	switch fstype {
	case "ext3", "ext4":
		return "ext2"
	case "vfat":
		return "fat"
	}
	return fstype
}

// standIns are the mounts that put a disk at /dev/vda, and the stand-ins over
// the programs of the tree that a script may call by their full paths.
func (r *Runner) standIns() []sandbox.Mount {
	mounts := []sandbox.Mount{{Source: filepath.Join(r.Work, "disk"), Target: "/dev/vda"}}
	for _, name := range shims {
		if name == "btrfs" {
			continue // the stand-in passes what it does not answer on to it
		}
		for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
			st, err := os.Lstat(filepath.Join(r.Tree, dir, name))
			if err == nil && st.Mode().IsRegular() {
				mounts = append(mounts, sandbox.Mount{Source: filepath.Join(r.Work, "bin", name), Target: filepath.Join(dir, name), ReadOnly: true})
			}
		}
	}
	return mounts
}

// requests reads what the stand-ins noted, if it is still the file that it was.
func (r *Runner) requests() ([]byte, error) {
	root, err := os.OpenRoot(r.Work)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	st, err := root.Lstat("requests")
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxLog {
		return nil, fmt.Errorf("%s/requests was replaced", folder)
	}
	return root.ReadFile("requests")
}

// heed honours what a script asked of the disk, which exists only later.
func (r *Runner) heed(s *kickstart.Script) error {
	text, err := r.requests()
	if err != nil {
		return &kickstart.Diagnostic{At: s.Place, Message: fmt.Sprintf("%%%s: reading what it asked of the disk: %v", s.Kind, err)}
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\x1f")
		switch what := strings.Join(fields, " "); {
		case fields[0] == "grub2-install": // BIOS boot code is written wherever the disk has room for it
			if r.Plan.Label == disk.GPT && !r.Plan.Has(disk.BIOSBoot) && strings.Contains(what, "i386-pc") {
				return &kickstart.Diagnostic{At: s.Place, Message: fmt.Sprintf("%%%s: %q needs a biosboot partition, and the kickstart has none", s.Kind, what)}
			}
		case fields[0] == "pmbr_boot":
			r.Plan.Boot.PMBR = fields[1] == "on"
		default:
			return &kickstart.Diagnostic{At: s.Place, Message: fmt.Sprintf("%%%s: %q cannot be honoured: there is no disk yet when scripts run", s.Kind, what)}
		}
	}
	return nil
}
