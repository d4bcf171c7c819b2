package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/residue"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/tree"
)

// makeDisk turns the tree into the raw disk.
func (j *job) makeDisk(ctx context.Context) error {
	b := &manifest.Build{Engine: "direct", SourceDate: j.date, Unverified: j.Insecure}
	_, j.distribution = j.loader().System()
	j.m.Build = b
	var err error
	if b.Packages, err = j.packages(ctx); err != nil {
		return err
	}
	if err := residue.Remove(ctx, j.tree, j.buildroot.Root); err != nil {
		return err
	}
	if b.TreeBytes, err = residue.Size(j.tree); err != nil {
		return err
	}
	if err := j.withinBudget(b.TreeBytes); err != nil {
		return err
	}
	if err := j.keepFound(); err != nil {
		return err
	}
	if err := residue.Clamp(j.tree, j.date); err != nil {
		return err
	}
	if err := j.label(ctx); err != nil {
		return err
	}
	task := j.Report.Task("making the disk", 0, report.Items)
	defer task.Drop()
	used, err := j.assemble(ctx)
	if err != nil {
		return err
	}
	for _, p := range j.plan.Partitions {
		if fs := p.FS; fs != nil {
			b.Filesystems = append(b.Filesystems, manifest.Filesystem{
				Partition: p.Number, Type: fs.Type, UUID: fs.UUID, Label: fs.Label, Mount: p.Name(), Size: p.Size, Used: used[p.Number],
			})
		}
	}
	task.Done()
	return nil
}

// keepFound makes the lost+found of each ext file system, which mke2fs would make
// by itself, and without the label that the policy has for it.
func (j *job) keepFound() error {
	root, err := os.OpenRoot(j.tree)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range j.plan.Partitions {
		if p.FS == nil || !strings.HasPrefix(p.FS.Type, "ext") || !strings.HasPrefix(p.Name(), "/") {
			continue
		}
		if err := root.MkdirAll(filepath.Join(p.Name(), "lost+found")[1:], 0o700); err != nil {
			return err
		}
	}
	return nil
}

// withinBudget holds the tree against what the spec allows it.
func (j *job) withinBudget(size int64) error {
	if j.m.Spec == nil || j.m.Spec.Budget["installed"] == 0 || size <= j.m.Spec.Budget["installed"] {
		return nil
	}
	return hint.Wrap(fmt.Errorf("the image's files take %s, its budget is %s", report.Size(size), report.Size(j.m.Spec.Budget["installed"])),
		"install less, or raise budget: installed in image.yaml")
}

// diskName is the raw disk's name in the image's folder.
func (j *job) diskName() string { return j.m.Image.ID() + ".raw" }

func (j *job) assemble(ctx context.Context) (map[int]int64, error) {
	work := filepath.Join(j.workspace.Dir, "volumes")
	if err := os.Mkdir(work, 0o755); err != nil {
		return nil, err
	}
	ordered := filepath.Join(work, "tree")
	if err := tree.Order(j.tree, ordered); err != nil {
		return nil, err
	}
	j.tree = ordered
	output := filepath.Join(j.folder, j.diskName())
	maker := disk.Maker{
		Plan: j.plan, Arch: j.m.Image.Arch, Tools: j.buildroot.Root, Tree: j.tree, Work: work, Output: output,
		Date: time.Unix(j.date, 0), Seed: j.seed, Report: j.Report,
	}
	used, err := maker.Make(ctx)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(output, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := j.loader().Embed(ctx, f); err != nil {
		return nil, err
	}
	return used, f.Close()
}

// label gives every file its SELinux context, if the image has a policy.
func (j *job) label(ctx context.Context) error {
	policy := j.selinuxPolicy()
	if policy == "" {
		return nil
	}
	contexts := filepath.Join("etc/selinux", policy, "contexts/files/file_contexts")
	if _, err := os.Stat(filepath.Join(j.tree, contexts)); err != nil {
		return fmt.Errorf("the image's SELinux policy %q has no file contexts: %w", policy, err)
	}
	if _, err := os.Stat(filepath.Join(j.buildroot.Root, "usr/sbin/setfiles")); err != nil {
		return hint.Wrap(fmt.Errorf("the image has an SELinux policy, and no repository has setfiles to label its files"), "add a repository with policycoreutils")
	}
	task := j.Report.Task("labelling files", 0, report.Items)
	defer task.Drop()
	cmd := sandbox.Command{
		Root: j.buildroot.Root, ReadOnly: true, Env: sandbox.Environment(), Labels: true,
		Args:   []string{"setfiles", "-m", "-F", "-r", "/target", "/target/" + contexts, "/target"},
		Mounts: []sandbox.Mount{{Source: j.tree, Target: "/target"}},
	}
	output, err := cmd.Output(ctx)
	fmt.Fprint(j.log, output)
	if err != nil {
		return fmt.Errorf("labelling the files for SELinux: %w", err)
	}
	task.Done()
	return nil
}

// selinuxPolicy returns the policy that /etc/selinux/config names, "" if there is none or it is off.
func (j *job) selinuxPolicy() string {
	text, err := tree.ReadFile(j.tree, "etc/selinux/config")
	if err != nil {
		return ""
	}
	policy, mode := "", ""
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "SELINUXTYPE":
			policy = strings.TrimSpace(value)
		case "SELINUX":
			mode = strings.TrimSpace(value)
		}
	}
	if mode == "disabled" || strings.ContainsAny(policy, "/.") {
		return ""
	}
	return policy
}
