package system

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
)

// lang writes locale.conf(5).
func (s *System) lang(_ context.Context, c *kickstart.Command) error {
	return s.assign("etc/locale.conf", "LANG", first(c.Args))
}

// keyboard writes vconsole.conf(5) and, where there is an X server, its layouts.
func (s *System) keyboard(_ context.Context, c *kickstart.Command) error {
	keymap, layouts := c.Value("--vckeymap"), c.List("--xlayouts")
	if len(c.Args) > 0 {
		if keymap == "" {
			keymap = c.Args[0]
		}
		if len(layouts) == 0 {
			layouts = c.Args[:1]
		}
	}
	if keymap == "" && len(layouts) > 0 {
		keymap, _, _ = strings.Cut(layouts[0], " ")
	}
	if keymap != "" {
		if err := s.assign("etc/vconsole.conf", "KEYMAP", `"`+keymap+`"`); err != nil {
			return err
		}
	}
	if len(layouts) == 0 || !s.exists("etc/X11/xorg.conf.d") {
		return nil
	}
	var names, variants []string
	for _, l := range layouts {
		name, variant, _ := strings.Cut(l, " (") // "cz (qwerty)"
		names, variants = append(names, name), append(variants, strings.TrimSuffix(variant, ")"))
	}
	var b strings.Builder
	b.WriteString("Section \"InputClass\"\n        Identifier \"system-keyboard\"\n        MatchIsKeyboard \"on\"\n")
	for _, o := range []struct {
		name   string
		values []string
	}{{"XkbLayout", names}, {"XkbVariant", variants}, {"XkbOptions", c.List("--switch")}} {
		if value := strings.Join(o.values, ","); strings.Trim(value, ",") != "" {
			fmt.Fprintf(&b, "        Option \"%s\" \"%s\"\n", o.name, value)
		}
	}
	b.WriteString("EndSection\n")
	return s.write("etc/X11/xorg.conf.d/00-keyboard.conf", b.String(), 0o644)
}

// timezone points /etc/localtime to the zone and says how the hardware clock runs.
func (s *System) timezone(ctx context.Context, c *kickstart.Command) error {
	if zone := first(c.Args); zone != "" {
		file := filepath.Join("usr/share/zoneinfo", filepath.Join("/", zone))
		if !s.exists(file) && s.exists("usr/share/zoneinfo") {
			return fmt.Errorf("there is no time zone %q in the image", zone)
		}
		if err := s.link("../"+file, "etc/localtime"); err != nil {
			return err
		}
	}
	clock := "LOCAL"
	if c.Has("--utc") {
		clock = "UTC"
	}
	if err := s.write("etc/adjtime", "0.0 0 0.0\n0\n"+clock+"\n", 0o644); err != nil {
		return err
	}
	if c.Has("--nontp") {
		return s.disable(ctx, "chronyd")
	}
	var servers []string
	for _, name := range c.List("--ntpservers") {
		servers = append(servers, fmt.Sprintf("server %s iburst", name))
	}
	return s.timeServers(servers)
}

// timesource names the time servers.
func (s *System) timesource(ctx context.Context, c *kickstart.Command) error {
	if c.Has("--ntp-disable") {
		return s.disable(ctx, "chronyd")
	}
	options := "iburst"
	if c.Has("--nts") {
		options += " nts"
	}
	var servers []string
	for _, name := range c.Values("--ntp-pool") {
		servers = append(servers, fmt.Sprintf("pool %s %s", name, options))
	}
	for _, name := range c.Values("--ntp-server") {
		servers = append(servers, fmt.Sprintf("server %s %s", name, options))
	}
	return s.timeServers(servers)
}

// timeServers adds lines to chrony.conf(5) in place of the distribution's servers.
func (s *System) timeServers(servers []string) error {
	if len(servers) == 0 {
		return nil
	}
	text, err := s.read("etc/chrony.conf")
	if err != nil {
		return err
	}
	if text == "" {
		return fmt.Errorf("the image has no chrony to tell its time servers")
	}
	// Those of an earlier timesource command stay; the distribution's own go.
	const ours = "# From the kickstart:"
	var kept []string
	mine := false
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		mine = mine || line == ours
		kind, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if mine || kind != "server" && kind != "pool" {
			kept = append(kept, line)
		}
	}
	if !mine {
		kept = append(kept, ours)
	}
	return s.write("etc/chrony.conf", strings.Join(append(kept, servers...), "\n")+"\n", 0o644)
}
