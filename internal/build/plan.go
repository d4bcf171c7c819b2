package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/respin-project/respin/internal/bootloader"
	"github.com/respin-project/respin/internal/buildroot"
	"github.com/respin-project/respin/internal/depsolve"
	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/system"
)

// read parses the manifest's kickstart and refuses what cannot be honoured.
func (j *job) read() error {
	ks, err := kickstart.Restore(j.m.Kickstart)
	if err != nil {
		return err
	}
	j.ks = ks
	if j.m.Spec != nil {
		j.scripts = j.m.Spec.Scripts
	}
	if j.Scripts.Network {
		j.scripts.Network = true
	}
	if j.Scripts.Space != 0 {
		j.scripts.Space = j.Scripts.Space
	}
	if j.Scripts.Timeout != 0 {
		j.scripts.Timeout = j.Scripts.Timeout
	}
	if len(ks.Unresolved) > 0 {
		return nil // a script of %pre has a say in what it comes to
	}
	return j.check()
}

// check refuses what cannot be honoured, all of it at once.
func (j *job) check() error {
	// The plan's identifiers come later; what is wrong with it shows now.
	_, planErr := disk.NewPlan(j.ks, disk.Options{Arch: j.m.Image.Arch, Size: j.DiskSize})
	return errors.Join(system.Check(j.ks), planErr, checkPackages(j.ks))
}

func checkPackages(ks *kickstart.Kickstart) error {
	if ks.Packages != nil {
		return nil
	}
	return fmt.Errorf("%s: there is no %%packages section: say what to install", ks.Path)
}

// decideDate fixes the time of everything in the image, and with it all identifiers.
func (j *job) decideDate() {
	j.date = j.SourceDate
	if j.date == 0 && j.lock != nil {
		j.date = j.lock.SourceDate
	}
	if j.date == 0 {
		for _, s := range j.snapshots {
			j.date = max(j.date, s.Newest)
		}
	}
	j.seed = disk.NewSeed(j.m.Image.ID(), j.m.Kickstart.Digest, fmt.Sprint(j.date))
}

// prepare plans the disk and the packages, so that what cannot be had shows
// before anything large is fetched.
func (j *job) prepare(ctx context.Context) error {
	var err error
	j.plan, err = disk.NewPlan(j.ks, disk.Options{Arch: j.m.Image.Arch, Size: j.DiskSize, Seed: j.seed})
	if err != nil {
		return err
	}
	if err := j.loader().Check(); err != nil {
		return err
	}
	j.request, err = j.ask(ctx)
	return err
}

func (j *job) loader() *bootloader.Loader {
	l := &bootloader.Loader{Tree: j.tree, Plan: j.plan, Arch: j.m.Image.Arch, Date: j.date, Token: j.seed.ID("boot entries")}
	if j.buildroot != nil {
		l.Tools = j.buildroot.Root
	}
	return l
}

// tools are what the buildroot needs for this disk.
func (j *job) tools() []depsolve.Want {
	wants := append([]depsolve.Want{}, buildroot.Basic...)
	want := func(names ...string) { wants = append(wants, depsolve.Want{Names: names}) }
	for _, p := range j.plan.Partitions {
		if p.FS == nil {
			continue
		}
		switch {
		case strings.HasPrefix(p.FS.Type, "ext"):
			want("/usr/sbin/mke2fs")
		case p.FS.Type == "vfat":
			want("/usr/sbin/mkfs.vfat")
			want("mtools", "/usr/bin/mcopy")
		case p.FS.Type == "swap":
			want("/usr/sbin/mkswap")
		default:
			want("/usr/sbin/mkfs." + p.FS.Type)
		}
	}
	if j.plan.Boot.None {
		return wants
	}
	want("/usr/bin/grub2-mkimage")
	efi := map[string]string{"x86_64": "grub2-efi-x64-modules", "aarch64": "grub2-efi-aa64-modules"}[j.m.Image.Arch]
	if efi != "" && j.plan.Has(disk.ESP) {
		wants = append(wants, depsolve.Want{Names: []string{efi}, Optional: true})
	}
	if j.m.Image.Arch == "x86_64" {
		want("grub2-pc-modules")
	}
	return wants
}

// makeBuildroot gets the system that the rest is done in.
func (j *job) makeBuildroot(ctx context.Context) error {
	task := j.Report.Task("buildroot", 0, 0)
	defer task.Drop()
	var err error
	if j.lock != nil {
		var packages []*repo.Package
		if packages, err = j.lockedTools(ctx); err == nil {
			j.buildroot, err = buildroot.Of(ctx, j.Fetcher, packages, j.Report)
		}
	} else {
		j.buildroot, err = buildroot.Make(ctx, j.Fetcher, j.snapshots, j.m.Image.Arch, j.tools(), j.Report)
	}
	if err != nil {
		return err
	}
	task.Done()
	return nil
}
