package system

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
)

// services enables and disables units. One that is to be enabled must be there.
func (s *System) services(ctx context.Context, c *kickstart.Command) error {
	var errs []error
	for _, name := range list(c, "--disabled") {
		errs = append(errs, s.disable(ctx, name))
	}
	for _, name := range list(c, "--enabled") {
		errs = append(errs, s.enable(ctx, name))
	}
	return errors.Join(errs...)
}

// list is an option's list, which may be separated by blanks too.
func list(c *kickstart.Command, option string) []string {
	var all []string
	for _, v := range c.List(option) {
		all = append(all, strings.Fields(v)...)
	}
	return all
}

func (s *System) enable(ctx context.Context, name string) error {
	if !s.hasUnit(name) {
		return fmt.Errorf("the image has no service %q to enable", name)
	}
	return s.run(ctx, "systemctl", "enable", unit(name))
}

// disable disables a unit if the tree has it.
func (s *System) disable(ctx context.Context, name string) error {
	if !s.hasUnit(name) {
		return nil
	}
	return s.run(ctx, "systemctl", "disable", unit(name))
}

// unit completes the name of a service.
func unit(name string) string {
	if filepath.Ext(name) == "" {
		return name + ".service"
	}
	return name
}

func (s *System) hasUnit(name string) bool {
	name = unit(name)
	template := name
	if at := strings.Index(name, "@"); at >= 0 {
		template = name[:at+1] + filepath.Ext(name)
	}
	for _, dir := range []string{"etc/systemd/system", "usr/lib/systemd/system"} {
		if s.exists(filepath.Join(dir, name)) || s.exists(filepath.Join(dir, template)) {
			return true
		}
	}
	return false
}

// firstboot decides whether the first boot asks questions.
func (s *System) firstboot(ctx context.Context, c *kickstart.Command) error {
	if c.Has("--enabled") || c.Has("--reconfig") {
		if c.Has("--reconfig") {
			if err := s.write("etc/reconfigSys", "", 0o644); err != nil {
				return err
			}
		}
		return s.enable(ctx, "initial-setup")
	}
	return s.disable(ctx, "initial-setup")
}

// xconfig is about what a boot ends in; see defaultTarget.
func (s *System) xconfig(context.Context, *kickstart.Command) error { return nil }

// defaultTarget makes the system start in text mode unless the kickstart asks for X.
func (s *System) defaultTarget(k *kickstart.Kickstart) error {
	target := "multi-user.target"
	if c := k.Last("xconfig"); c != nil && c.Has("--startxonboot") {
		target = "graphical.target"
	}
	if !s.exists("usr/lib/systemd/system/" + target) {
		return nil // no systemd
	}
	return s.link("/usr/lib/systemd/system/"+target, "etc/systemd/system/default.target")
}

// firewall configures firewalld with its own tool.
func (s *System) firewall(ctx context.Context, c *kickstart.Command) error {
	if c.Has("--use-system-defaults") {
		return nil
	}
	if !s.has("firewall-offline-cmd") {
		if c.Has("--disabled") {
			return nil
		}
		return errors.New("the image has no firewalld: add it to %packages, or say firewall --disabled")
	}
	if c.Has("--disabled") {
		return s.run(ctx, "firewall-offline-cmd", "--disabled")
	}
	args := []string{"firewall-offline-cmd", "--enabled"}
	for _, port := range c.List("--port") { // PORT:PROTOCOL or PORT
		if number, protocol, ok := strings.Cut(port, ":"); ok {
			args = append(args, "--port="+number+":"+protocol)
		} else {
			args = append(args, "--port="+port+":tcp")
		}
	}
	for _, o := range []struct{ option, flag string }{{"--service", "--service="}, {"--remove-service", "--remove-service="}, {"--trust", "--trust="}} {
		for _, value := range c.List(o.option) {
			args = append(args, o.flag+value)
		}
	}
	return s.run(ctx, args...)
}

// selinux sets the mode that the system boots in.
func (s *System) selinux(_ context.Context, c *kickstart.Command) error {
	mode := "enforcing"
	switch {
	case c.Has("--disabled"):
		mode = "disabled"
	case c.Has("--permissive"):
		mode = "permissive"
	}
	if !s.exists("etc/selinux/config") {
		if mode != "disabled" {
			s.Report.Warn(place(c), "selinux --%s has no effect: the image has no SELinux policy", mode)
		}
		return nil
	}
	return s.assign("etc/selinux/config", "SELINUX", mode)
}
