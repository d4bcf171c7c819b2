package disk

import (
	"fmt"
	"slices"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/report"
)

// required adds what the firmware needs, as reqpart does.
func (p *planner) required(at kickstart.Place, boot bool) {
	add := func(id string, mib int64, role Role, fs *Filesystem) {
		if p.request(id) == nil {
			p.requests = append(p.requests, request{Partition: Partition{Role: role, Size: mib * MiB, FS: fs}, id: id, at: at})
		}
	}
	switch p.o.Arch {
	case "x86_64":
		if p.label() == GPT {
			add("biosboot", 1, BIOSBoot, nil)
		}
		fallthrough
	case "aarch64", "riscv64":
		add("/boot/efi", 200, ESP, &Filesystem{Type: "vfat", Mount: "/boot/efi", Options: "umask=0077,shortname=winnt"})
	case "ppc64le":
		add("prepboot", 4, PReP, nil)
	}
	if boot {
		add("/boot", 1024, XBOOTLDR, &Filesystem{Type: p.defaultType("/boot"), Mount: "/boot"})
	}
}

// autopart lays the disk out as the installer would, without swap: an image
// does not know the memory of the machines it will run on.
func (p *planner) autopart(c *kickstart.Command) {
	rhel := p.defaultType("/") == "xfs"
	kind := c.Value("--type")
	if kind == "" && !rhel {
		kind = "btrfs"
	}
	if c.Has("--encrypted") {
		p.fail(c.Place, "autopart: --encrypted is not supported")
	}
	p.required(c.Place, !c.Has("--noboot"))
	root := request{Partition: Partition{Role: Root, Size: 1024 * MiB}, id: "/", grow: true, at: c.Place}
	switch kind {
	case "plain":
		fstype := c.Value("--fstype")
		if fstype == "" {
			fstype = p.defaultType("/")
		}
		root.FS = &Filesystem{Type: fstype, Mount: "/"}
	case "btrfs":
		root.FS = &Filesystem{Type: "btrfs", Subvolumes: []Subvolume{{Name: "root", Mount: "/"}}}
		if !c.Has("--nohome") {
			root.FS.Subvolumes = append(root.FS.Subvolumes, Subvolume{Name: "home", Mount: "/home"})
		}
	case "":
		p.fail(c.Place, "autopart: here it means LVM, which is not supported yet: say autopart --type=plain")
		return
	default:
		p.fail(c.Place, "autopart: --type=%s is not supported yet: use plain or btrfs", kind)
		return
	}
	p.requests = append(p.requests, root)
}

// place gives the requests their numbers, places and identifiers. They keep
// their order, but those that grow come last, and the root file system
// last of all: that is the one that grows again where the image boots.
func (p *planner) place(plan *Plan) error {
	weight := func(r request) int {
		switch {
		case r.grow && r.Role == Root:
			return 2
		case r.grow:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(p.requests, func(a, b request) int { return weight(a) - weight(b) })
	sum := int64(2 * MiB) // the tables before and behind
	grows := false
	for i := range p.requests {
		r := &p.requests[i]
		r.Size = (r.Size + MiB - 1) / MiB * MiB
		sum += r.Size
		grows = grows || r.grow
	}
	plan.Size = (p.o.Size + MiB - 1) / MiB * MiB
	if plan.Size == 0 {
		plan.Size = sum
		if grows {
			plan.Size = max(sum, defaultSize)
		}
	}
	if plan.Size < sum {
		return hint.Wrap(fmt.Errorf("the partitions take %s, the disk has %s", report.Size(sum), report.Size(plan.Size)), "ask for a larger disk")
	}
	p.grow(plan.Size - sum)
	start := int64(MiB)
	for i, r := range p.requests {
		part := r.Partition
		part.Number, part.Start = i+1, start
		purpose := fmt.Sprint("partition ", part.Number)
		part.UUID = p.o.Seed.UUID(purpose)
		if part.FS != nil {
			part.FS.UUID = p.o.Seed.UUID(purpose + " file system")
			if part.FS.Type == "vfat" {
				part.FS.UUID = p.o.Seed.VolumeID(purpose)
			}
		}
		start += part.Size
		plan.Partitions = append(plan.Partitions, part)
	}
	return nil
}

// grow shares the space that is left among the partitions that grow, in
// proportion to their sizes, up to the most that each may have.
func (p *planner) grow(left int64) {
	for left >= MiB {
		var growing []*request
		var weight int64
		for i := range p.requests {
			if r := &p.requests[i]; r.grow && (r.most == 0 || r.Size < r.most) {
				growing = append(growing, r)
				weight += r.Size
			}
		}
		if len(growing) == 0 {
			return
		}
		before := left
		for i, r := range growing {
			share := before / MiB * (r.Size / MiB) / max(weight/MiB, 1) * MiB
			if i == len(growing)-1 {
				share = left // what rounding left over
			}
			if r.most > 0 {
				share = min(share, r.most-r.Size)
			}
			share = min(share, left)
			r.Size += share
			left -= share
		}
		if left == before {
			return
		}
	}
}
