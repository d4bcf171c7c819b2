package disk

import (
	"errors"
	"fmt"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
)

// Options are what a plan depends on besides the kickstart.
type Options struct {
	Arch string // as RPM names it
	Size int64  // of the disk, bytes; 0 takes the least that fits, see defaultSize
	Seed Seed
}

// defaultSize is the size of a disk with a partition that grows, unless the
// others need more: what Fedora's cloud images have.
const defaultSize = 5 << 30

// refused are the commands about storage that this engine cannot honour.
var refused = map[string]string{
	"volgroup":  "LVM is not supported yet: use part or btrfs",
	"logvol":    "LVM is not supported yet: use part or btrfs",
	"raid":      "RAID makes no sense on an image's single disk",
	"mount":     "there is no disk yet whose partitions could be mounted: use part",
	"iscsi":     "an image has one local disk",
	"fcoe":      "an image has one local disk",
	"zfcp":      "an image has one local disk",
	"nvdimm":    "an image has one local disk",
	"snapshot":  "it needs LVM, which is not supported yet",
	"multipath": "an image has one local disk",
	"dmraid":    "an image has one local disk",
}

// A planner turns a kickstart's storage commands into a plan.
type planner struct {
	k        *kickstart.Kickstart
	o        Options
	requests []request
	errs     []error
}

// A request is a partition that the kickstart asks for.
type request struct {
	Partition
	id   string // what it is called in the kickstart, such as "btrfs.007"
	grow bool
	most int64 // 0 is no limit
	at   kickstart.Place
}

// NewPlan plans the disk that a kickstart describes. It reports every command
// that it cannot honour, with its place.
func NewPlan(k *kickstart.Kickstart, o Options) (*Plan, error) {
	p := &planner{k: k, o: o}
	for _, c := range k.Commands {
		if why, ok := refused[c.Name]; ok {
			p.fail(c.Place, "%s: %s", c.Name, why)
		}
	}
	plan := &Plan{Label: p.label(), UUID: o.Seed.UUID("partition table"), Boot: p.bootloader()}
	if c := k.Last("autopart"); c != nil {
		p.autopart(c)
	}
	if c := k.Last("reqpart"); c != nil {
		p.required(c.Place, c.Has("--add-boot"))
	}
	for _, c := range k.All("part") {
		p.part(c)
	}
	for _, c := range k.All("btrfs") {
		p.btrfs(c)
	}
	p.check()
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return plan, p.place(plan)
}

func (p *planner) fail(at kickstart.Place, format string, args ...any) {
	p.errs = append(p.errs, &kickstart.Diagnostic{At: at, Message: fmt.Sprintf(format, args...)})
}

func (p *planner) label() Label {
	c := p.k.Last("clearpart")
	if c == nil {
		return GPT
	}
	switch label := c.Value("--disklabel"); label {
	case "", "gpt":
		return GPT
	case "msdos", "mbr":
		return MBR
	default:
		p.fail(c.Place, "clearpart: disk label %q is not supported: use gpt or msdos", label)
		return GPT
	}
}

func (p *planner) bootloader() Bootloader {
	b := Bootloader{Timeout: 5}
	c := p.k.Last("bootloader")
	if c == nil {
		return b
	}
	b.None = c.Has("--disabled") || c.Value("--location") == "none"
	b.Append = strings.Fields(c.Value("--append"))
	if c.Has("--timeout") {
		b.Timeout = c.Int("--timeout")
	}
	for _, option := range []string{"--extlinux", "--sdboot"} {
		if c.Has(option) {
			p.fail(c.Place, "bootloader: %s is not supported, only GRUB is", option)
		}
	}
	for _, option := range []string{"--password", "--upgrade"} {
		if c.Has(option) {
			p.fail(c.Place, "bootloader: %s is not supported", option)
		}
	}
	if c.Value("--location") == "partition" {
		p.fail(c.Place, "bootloader: --location=partition is not supported: use mbr or none")
	}
	return b
}

// part adds the partition of one part command.
func (p *planner) part(c *kickstart.Command) {
	if len(c.Args) == 0 {
		return // the parser has said so
	}
	for _, option := range []string{"--encrypted", "--onpart", "--noformat", "--resize", "--hibernation", "--onbiosdisk"} {
		if c.Has(option) {
			p.fail(c.Place, "part: %s is not supported: the disk is new, and not encrypted", option)
		}
	}
	target := c.Args[0]
	r := request{
		Partition: Partition{Size: int64(c.Int("--size")) * MiB},
		id:        target, grow: c.Has("--grow"), most: int64(c.Int("--maxsize")) * MiB, at: c.Place,
	}
	fs := &Filesystem{Type: c.Value("--fstype"), Label: c.Value("--label"), Options: c.Value("--fsoptions"),
		Make: strings.Fields(c.Value("--mkfsoptions")), Mount: target}
	r.Role, r.FS = roleOf(target, fs.Type), fs
	switch {
	case r.Role == BIOSBoot || r.Role == PReP:
		r.FS = nil
		r.Size = max(r.Size, MiB)
	case r.Role == ESP:
		fs.Type = "vfat"
		if fs.Options == "" {
			fs.Options = "umask=0077,shortname=winnt"
		}
	case target == "swap":
		fs.Type = "swap"
		if c.Has("--recommended") {
			r.Size = max(r.Size, 2<<30)
		}
	case strings.HasPrefix(target, "btrfs.") || fs.Type == "btrfs":
		fs.Type = "btrfs"
		if strings.HasPrefix(target, "btrfs.") {
			fs.Mount = "" // a btrfs command says what becomes of it
		}
	case strings.HasPrefix(target, "/"):
		if fs.Type == "" {
			fs.Type = p.defaultType(target)
		}
	case strings.HasPrefix(target, "pv."):
		p.fail(c.Place, "part: %s: LVM is not supported yet", target)
	case strings.HasPrefix(target, "raid."):
		p.fail(c.Place, "part: %s: RAID makes no sense on an image's single disk", target)
	default:
		p.fail(c.Place, "part: %q is no mount point", target)
	}
	if r.FS != nil && formats[fs.Type] == nil && (fs.Type != "" || strings.HasPrefix(target, "/")) {
		p.fail(c.Place, "part: file system %q is not supported: use ext4, xfs, btrfs, vfat or swap", fs.Type)
	}
	if r.Size <= 0 {
		p.fail(c.Place, "part %s: give it a --size", target)
	}
	p.requests = append(p.requests, r)
}

func roleOf(target, fstype string) Role {
	switch {
	case target == "biosboot" || fstype == "biosboot":
		return BIOSBoot
	case target == "prepboot" || fstype == "prepboot":
		return PReP
	case target == "/boot/efi" || fstype == "efi":
		return ESP
	case target == "/boot":
		return XBOOTLDR
	case target == "/":
		return Root
	case target == "swap":
		return Swap
	}
	return Data
}

// defaultType is the distribution's file system for a mount point.
func (p *planner) defaultType(mount string) string {
	if strings.HasPrefix(string(p.k.Syntax), "RHEL") {
		return "xfs"
	}
	return "ext4"
}

// btrfs makes a volume of its partition, or adds a subvolume to a volume.
func (p *planner) btrfs(c *kickstart.Command) {
	if len(c.Args) < 2 {
		p.fail(c.Place, "btrfs: name the partition or, with --subvol, the volume")
		return
	}
	mount, on := c.Args[0], c.Args[1]
	if c.Has("--subvol") {
		p.subvolume(c, mount, on)
		return
	}
	if len(c.Args) > 2 {
		p.fail(c.Place, "btrfs: a volume of several partitions makes no sense on an image's single disk")
	}
	r := p.request(on)
	if r == nil || r.FS == nil || r.FS.Type != "btrfs" {
		p.fail(c.Place, "btrfs: there is no partition %q with --fstype=btrfs", on)
		return
	}
	r.FS.Label = c.Value("--label")
	r.FS.Make = append(r.FS.Make, strings.Fields(c.Value("--mkfsoptions"))...)
	for _, option := range []string{"data", "metadata"} {
		if level := c.Value("--" + option); level != "" && level != "single" {
			p.fail(c.Place, "btrfs: --%s=%s takes several disks", option, level)
		}
	}
	if mount != "none" {
		r.FS.Mount, r.Role = mount, roleOf(mount, "")
	}
}

func (p *planner) subvolume(c *kickstart.Command, mount, on string) {
	var volume *request
	label, byLabel := strings.CutPrefix(on, "LABEL=")
	for i, r := range p.requests {
		if r.FS != nil && r.FS.Type == "btrfs" && (byLabel && r.FS.Label == label || r.id == on || r.FS.Mount == on && on != "") {
			volume = &p.requests[i]
		}
	}
	if volume == nil {
		p.fail(c.Place, "btrfs: there is no volume %q to hold the subvolume: name it as LABEL=… of a btrfs command before", on)
		return
	}
	name := c.Value("--name")
	if name == "" {
		name = strings.Trim(strings.ReplaceAll(mount, "/", "-"), "-")
	}
	if mount == "none" {
		mount = ""
	}
	volume.FS.Subvolumes = append(volume.FS.Subvolumes, Subvolume{Name: name, Mount: mount, Options: volume.FS.Options})
	if mount == "/" {
		volume.Role = Root
	}
}

func (p *planner) request(id string) *request {
	for i := range p.requests {
		if p.requests[i].id == id {
			return &p.requests[i]
		}
	}
	return nil
}

// check looks at the requests as a whole.
func (p *planner) check() {
	mounts := map[string]bool{}
	at := kickstart.Place{File: p.k.Path}
	for _, r := range p.requests {
		at = r.at
		if r.FS == nil {
			continue
		}
		if r.FS.Mount != "" && r.FS.Mount != "swap" {
			if mounts[r.FS.Mount] {
				p.fail(r.at, "%s is there twice", r.FS.Mount)
			}
			mounts[r.FS.Mount] = true
		}
		for _, v := range r.FS.Subvolumes {
			if mounts[v.Mount] && v.Mount != "" {
				p.fail(r.at, "%s is there twice", v.Mount)
			}
			mounts[v.Mount] = true
		}
	}
	if len(p.errs) == 0 && !mounts["/"] {
		p.fail(at, "no partition or subvolume is mounted on /: add one with part or btrfs, or use autopart")
	}
}
