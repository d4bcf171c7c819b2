// Package system makes a kickstart's commands take effect in an installed
// root tree: language, time, accounts, services, network and so on. Where the
// distribution has a tool for it, that tool runs inside the tree; the rest are
// the files that the installer, Anaconda, writes.
package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/tree"
)

// A System is a root tree that is being configured.
type System struct {
	Tree   string
	Date   int64                       // SOURCE_DATE_EPOCH; accounts are dated by it
	Salt   func(purpose string) string // 32 characters of [0-9a-f], always the same for a purpose
	Log    io.Writer
	Report *report.Report
}

// A setting is how a command takes effect.
type setting func(*System, context.Context, *kickstart.Command) error

// settings are the commands that change the tree. Those that stand in a
// kickstart several times are applied one by one, the others once, as what
// they come to together.
var settings = map[string]struct {
	apply setting
	each  bool
}{
	"lang":       {apply: (*System).lang},
	"keyboard":   {apply: (*System).keyboard},
	"timezone":   {apply: (*System).timezone},
	"timesource": {apply: (*System).timesource, each: true},
	"group":      {apply: (*System).group, each: true},
	"user":       {apply: (*System).user, each: true},
	"rootpw":     {apply: (*System).rootpw},
	"sshkey":     {apply: (*System).sshkey, each: true},
	"authselect": {apply: (*System).authselect},
	"services":   {apply: (*System).services, each: true},
	"firewall":   {apply: (*System).firewall},
	"selinux":    {apply: (*System).selinux},
	"network":    {apply: (*System).network, each: true},
	"firstboot":  {apply: (*System).firstboot},
	"xconfig":    {apply: (*System).xconfig},
	"repo":       {apply: (*System).repo, each: true},
}

// order is the one in which commands take effect: groups before users, users
// before their keys, accounts before what may depend on them.
var order = []string{"lang", "keyboard", "timezone", "timesource", "authselect", "group", "user", "rootpw", "sshkey",
	"network", "firewall", "selinux", "services", "firstboot", "xconfig", "repo"}

// Early are the commands that an initramfs depends on.
var Early = []string{"lang", "keyboard"}

// Apply makes the commands of the kickstart take effect, all or only those that are named.
func (s *System) Apply(ctx context.Context, k *kickstart.Kickstart, only ...string) error {
	var errs []error
	for _, name := range order {
		if len(only) > 0 && !contains(only, name) {
			continue
		}
		commands := k.All(name)
		if !settings[name].each && len(commands) > 0 {
			commands = []*kickstart.Command{k.Last(name)}
		}
		for _, c := range commands {
			if err := settings[name].apply(s, ctx, c); err != nil {
				errs = append(errs, at(c.Place, fmt.Errorf("%s: %w", name, err)))
			}
		}
	}
	if len(only) == 0 {
		errs = append(errs, s.defaultTarget(k))
		for _, c := range k.Certificates {
			if err := s.certificate(ctx, c); err != nil {
				errs = append(errs, at(c.Place, fmt.Errorf("%%certificate: %w", err)))
			}
		}
	}
	return errors.Join(errs...)
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// at puts a command's place in front of what went wrong with it.
func at(place kickstart.Place, err error) error {
	return &kickstart.Diagnostic{At: place, Message: err.Error()}
}

// run runs a program inside the tree.
func (s *System) run(ctx context.Context, args ...string) error {
	if !s.has(args[0]) {
		return fmt.Errorf("the image has no %s", args[0])
	}
	cmd := sandbox.Command{
		Root: s.Tree, Args: args,
		Env: sandbox.Environment(fmt.Sprintf("SOURCE_DATE_EPOCH=%d", s.Date), "SYSTEMD_OFFLINE=1"),
	}
	fmt.Fprintf(s.Log, "running %s\n", args[0]) // its arguments may be a secret
	output, err := cmd.Output(ctx)
	io.WriteString(s.Log, output)
	return err
}

// has reports whether the tree has a program.
func (s *System) has(program string) bool {
	for _, dir := range []string{"usr/sbin", "usr/bin"} {
		if s.exists(filepath.Join(dir, program)) {
			return true
		}
	}
	return false
}

// exists reports whether the tree has a file, or a link that may lead nowhere.
func (s *System) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(s.Tree, name))
	return err == nil
}

// root opens the tree so that no link leads out of it.
func (s *System) root() (*os.Root, error) { return os.OpenRoot(s.Tree) }

// replace has put put something in the place of whatever has that name in the tree.
func (s *System) replace(name string, put func(r *os.Root) error) error {
	r, err := s.root()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := r.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return put(r)
}

// write writes a file of the tree in place of whatever was there.
func (s *System) write(name, text string, mode os.FileMode) error {
	return s.replace(name, func(r *os.Root) error {
		if err := r.WriteFile(name, []byte(text), mode); err != nil {
			return err
		}
		return r.Chmod(name, mode)
	})
}

// rewrite changes the text of a file of the tree, which keeps its owner and mode.
func (s *System) rewrite(name, text string) error {
	r, err := s.root()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := r.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// read reads a file of the tree; one that is missing is empty.
func (s *System) read(name string) (string, error) {
	text, err := tree.ReadFile(s.Tree, name)
	if os.IsNotExist(err) {
		return "", nil
	}
	return string(text), err
}

// link makes a symbolic link in place of whatever was there.
func (s *System) link(target, name string) error {
	return s.replace(name, func(r *os.Root) error { return r.Symlink(target, name) })
}

// assign sets NAME=VALUE in a file of such lines; other lines stay.
func (s *System) assign(file, name, value string) error {
	text, err := s.read(file)
	if err != nil {
		return err
	}
	line, found := name+"="+value, false
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, l := range lines {
		if strings.HasPrefix(strings.TrimSpace(l), name+"=") {
			lines[i], found = line, true
		}
	}
	if !found {
		if text == "" {
			lines = nil
		}
		lines = append(lines, line)
	}
	return s.write(file, strings.Join(lines, "\n")+"\n", 0o644)
}
