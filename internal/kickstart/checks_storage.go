package kickstart

import "strings"

// checkNoBtrfs refuses Btrfs where the release does not have it, as RHEL since 8.
func checkNoBtrfs(p *parser, r *reading) {
	if p.table.commands["btrfs"].state >= deprecated && r.command.Value("--fstype") == "btrfs" {
		r.fail(r.at("--fstype"), "%s has no Btrfs", p.kickstart.Syntax)
	}
}

// checkOpal wants what a hardware-encrypted device needs.
func checkOpal(r *reading) {
	hardware := strings.HasPrefix(r.command.Value("--luks-version"), "luks2-hw-opal")
	if r.command.Has("--hw-passphrase") && !(hardware && r.command.Has("--encrypted")) {
		r.fail(r.at("--hw-passphrase"), "option --hw-passphrase needs --encrypted and --luks-version=luks2-hw-opal or luks2-hw-opal-only")
	}
}

func checkAutopart(p *parser, r *reading) {
	c := r.command
	checkOpal(r)
	if c.Value("--fstype") == "btrfs" {
		r.fail(r.at("--fstype"), "option --fstype cannot be \"btrfs\": use --type=btrfs")
	}
	if c.Value("--type") != "btrfs" {
		return
	}
	if p.table.commands["btrfs"].state >= deprecated {
		r.fail(r.at("--type"), "%s has no Btrfs", p.kickstart.Syntax)
	}
	if c.Value("--fstype") != "" {
		r.fail(r.at("--fstype"), "option --fstype does not go with --type=btrfs")
	}
}

func checkBtrfs(_ *parser, r *reading) {
	c := r.command
	switch {
	case len(c.Args) > 1:
	case c.Has("--subvol"):
		r.fail(c.Place, "btrfs --subvol needs the parent volume, such as LABEL=fedora")
	default:
		r.fail(c.Place, "btrfs needs a list of partitions")
	}
	if c.Has("--subvol") && c.Value("--name") == "" {
		r.fail(c.Place, "btrfs --subvol needs option --name")
	}
}

func checkDriverdisk(_ *parser, r *reading) {
	n := len(r.command.Args)
	for _, option := range []string{"--source", "--biospart"} {
		if r.given(option) {
			n++
		}
	}
	if n != 1 {
		r.fail(r.command.Place, "driverdisk needs one of a partition, --source and --biospart")
	}
}

func checkLogvol(p *parser, r *reading) {
	c := r.command
	checkNoBtrfs(p, r)
	existing := c.Has("--useexisting") || c.Has("--noformat")
	if c.Has("--resize") && !existing {
		r.fail(r.at("--resize"), "option --resize needs --useexisting as well")
	}
	if !existing && !r.given("--percent") && !r.given("--size") && !c.Has("--recommended") && !c.Has("--hibernation") {
		r.fail(c.Place, "logvol needs one of the options --size, --percent, --recommended, --hibernation, --useexisting, --noformat")
	}
	if n := c.Int("--percent"); n < 0 || n > 100 {
		r.fail(r.at("--percent"), "option --percent must be between 0 and 100, not %d", n)
	}
}

func checkMount(_ *parser, r *reading) {
	if point := r.command.arg(1); strings.ToLower(point) != "none" && !strings.HasPrefix(point, "/") {
		r.fail(r.command.Place, "the mount point must begin with / or be none, not %q", point)
	}
}

func checkNvdimm(_ *parser, r *reading) {
	c := r.command
	switch action := c.arg(0); action {
	case "reconfigure":
		if !r.given("--namespace") || !r.given("--sectorsize") {
			r.fail(c.Place, "nvdimm reconfigure needs the options --namespace and --sectorsize")
		}
	case "use":
		if !r.given("--namespace") && !r.given("--blockdevs") {
			r.fail(c.Place, "nvdimm use needs one of the options --namespace and --blockdevs")
		}
	default:
		r.fail(c.Place, "unknown action %q of nvdimm%s", action, meant(action, []string{"reconfigure", "use"}))
	}
}

func checkPart(p *parser, r *reading) {
	c := r.command
	checkNoBtrfs(p, r)
	checkOpal(r)
	if p.table.commands["btrfs"].state >= deprecated && strings.HasPrefix(c.arg(0), "btrfs.") {
		r.fail(c.Place, "%s has no Btrfs", p.kickstart.Syntax)
	}
	if c.Value("--fstype") == "tmpfs" && (c.Has("--grow") || r.given("--maxsize")) {
		r.fail(r.at("--fstype"), "option --fstype=tmpfs does not go with --grow and --maxsize")
	}
}

func checkRaid(p *parser, r *reading) {
	c := r.command
	checkNoBtrfs(p, r)
	existing := c.Has("--useexisting") || c.Has("--noformat")
	switch {
	case c.Value("--device") == "":
		r.fail(r.at("--device"), "option --device cannot be empty")
	case existing && len(c.Args) > 1:
		r.fail(c.Place, "raid with --useexisting or --noformat takes no partitions")
	case !existing && len(c.Args) < 2:
		r.fail(c.Place, "raid needs a list of partitions")
	case !existing && !c.Has("--level"):
		r.fail(c.Place, "raid needs option --level")
	}
}

func checkSnapshot(p *parser, r *reading) {
	c := r.command
	if group, volume, _ := strings.Cut(c.arg(0), "/"); group == "" || volume == "" || strings.Contains(volume, "/") {
		r.fail(c.Place, "the origin of a snapshot must be VOLUMEGROUP/VOLUME, not %q", c.arg(0))
	}
	key := "snapshot\x00" + c.Value("--name")
	if before, ok := p.unique[key]; ok {
		r.fail(r.at("--name"), "snapshot %q is already defined in %s", c.Value("--name"), before)
	} else {
		p.unique[key] = c.Place
	}
}

func checkVolgroup(_ *parser, r *reading) {
	c := r.command
	existing := c.Has("--useexisting") || c.Has("--noformat")
	if existing && len(c.Args) > 1 {
		r.fail(c.Place, "volgroup with --useexisting or --noformat takes no partitions")
	} else if !existing && len(c.Args) < 2 {
		r.fail(c.Place, "volgroup needs a list of partitions")
	}
	if n := c.Int("--reserved-space"); n < 0 {
		r.fail(r.at("--reserved-space"), "option --reserved-space cannot be negative")
	}
	if n := c.Int("--reserved-percent"); c.Has("--reserved-percent") && (n < 1 || n > 99) {
		r.fail(r.at("--reserved-percent"), "option --reserved-percent must be between 1 and 99, not %d", n)
	}
}

func checkZfcp(_ *parser, r *reading) {
	if r.given("--wwpn") != r.given("--fcplun") {
		r.fail(r.command.Place, "zfcp needs both of the options --wwpn and --fcplun, or neither")
	}
}
