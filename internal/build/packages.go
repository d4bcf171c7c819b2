package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/install"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/system"
	"github.com/respin-project/respin/internal/tree"
)

// treeVersion changes when the same packages and settings give another tree.
const treeVersion = "1"

// A record is a package of the transaction, as it is kept beside a tree.
type record struct {
	NEVRA      string
	Repository string
	Checksum   string
	URL        string
	Signer     string
}

// install makes the workspace and fills its tree: from the cache, if these
// packages were installed in this way before, and otherwise with dnf.
func (j *job) install(ctx context.Context) error {
	key, err := j.treeKey(j.request)
	if err != nil {
		return err
	}
	if entry, ok := j.Fetcher.Cache.Entry("tree", key); ok {
		if err := j.unpack(entry); err != nil {
			return err
		}
		return j.holdLock()
	}
	if err := j.transact(ctx, j.request); err != nil {
		return err
	}
	_, err = j.Fetcher.Cache.Make(ctx, "tree", key, j.pack)
	return err
}

// treeKey names the tree that the transaction and what precedes the scripts
// come to. The %post scripts, the disk and the other settings are not in it:
// a change of theirs starts from the same tree.
func (j *job) treeKey(q install.Request) (string, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return "", err
	}
	parts := []string{treeVersion, j.buildroot.Key, string(text), fmt.Sprint(j.date), j.m.Image.Version, j.m.Image.Arch, fmt.Sprint(j.Insecure)}
	for _, name := range system.Early {
		if c := j.ks.Last(name); c != nil {
			parts = append(parts, c.String())
		}
	}
	for _, s := range j.ks.Scripts {
		if s.Kind == kickstart.PreInstall {
			parts = append(parts, s.Interpreter, s.Body)
		}
	}
	for _, s := range j.snapshots {
		parts = append(parts, s.Name, s.Repomd.String())
		if s.Keys != nil {
			parts = append(parts, s.Keys.Digest())
		}
	}
	if j.lock != nil {
		digest, err := j.lock.Digest()
		if err != nil {
			return "", err
		}
		parts = append(parts, digest)
	}
	return cache.Key(parts...), nil
}

// transact installs the packages and makes the initramfs.
func (j *job) transact(ctx context.Context, q install.Request) error {
	if err := j.runScripts(ctx, kickstart.PreInstall); err != nil {
		return err
	}
	in := install.Installer{
		Buildroot: j.buildroot.Root, Tree: j.tree, Releasever: j.m.Image.Version, Date: j.date,
		Snapshots: j.snapshots, Fetcher: j.Fetcher, Log: j.log, Report: j.Report,
	}
	fetched, err := in.Install(ctx, q)
	if _, ok := errors.AsType[*sandbox.ExitError](err); ok && j.lock != nil {
		return hint.Wrap(err, "%s", onlyLocked)
	} else if err != nil {
		return err
	}
	for _, f := range fetched {
		r := record{NEVRA: f.Package.NEVRA.String(), Repository: f.Package.Snapshot.Name, Checksum: f.Package.Checksum.String(), URL: f.URL}
		if f.Signer != nil {
			r.Signer = f.Signer.Fingerprint
		}
		j.installed = append(j.installed, r)
	}
	if err := j.holdLock(); err != nil {
		return err
	}
	slices.SortFunc(j.installed, func(a, b record) int { return strings.Compare(a.NEVRA, b.NEVRA) })
	if err := j.system().Apply(ctx, j.ks, system.Early...); err != nil {
		return err
	}
	task := j.Report.Task("making the initramfs", 0, report.Items)
	defer task.Drop()
	if err := j.loader().Initramfs(ctx); err != nil {
		return err
	}
	task.Done()
	return nil
}

func (j *job) system() *system.System {
	return &system.System{Tree: j.tree, Date: j.date, Salt: j.seed.ID, Log: j.log, Report: j.Report}
}

// pack keeps the tree, and what was installed, in a folder of the cache.
func (j *job) pack(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(j.installed)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "packages.json"), text, 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "tree.tar.zst"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := tree.Pack(f, j.tree); err != nil {
		return err
	}
	return f.Close()
}

func (j *job) unpack(dir string) error {
	task := j.Report.Task("unpacking the installed packages", 0, report.Items)
	defer task.Drop()
	text, err := os.ReadFile(filepath.Join(dir, "packages.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &j.installed); err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir, "tree.tar.zst"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := tree.Unpack(f, j.tree); err != nil {
		return err
	}
	task.Done()
	return nil
}

// ask translates %packages, and what the rest of the kickstart needs
// installed, to dnf's terms. It reports what no repository has.
func (j *job) ask(ctx context.Context) (install.Request, error) {
	p := j.ks.Packages
	q := install.Request{
		WeakDeps: !p.ExcludeWeakdeps, Docs: !p.ExcludeDocs, Languages: p.InstLangs,
		IgnoreMissing: p.IgnoreMissing, IgnoreBroken: p.IgnoreBroken, Multilib: p.MultiLib,
		Excludes: p.Excluded,
	}
	if slices.Equal(q.Languages, []string{"none"}) {
		q.Languages = []string{}
	}
	offer, err := j.offer(ctx)
	if err != nil {
		return q, err
	}
	var errs []error
	want := func(spec string, err error) {
		if err == nil {
			q.Specs = append(q.Specs, spec)
		} else if !p.IgnoreMissing {
			errs = append(errs, err)
		}
	}
	for _, g := range j.groups() {
		specs, err := offer.group(g, p.ExcludedGroups)
		if err != nil {
			want("", j.at("@"+g.Name, err))
		}
		q.Specs = append(q.Specs, specs...)
	}
	if p.Environment != "" {
		specs, err := offer.environment(p.Environment, p.ExcludedGroups)
		if err != nil {
			want("", j.at("@^"+p.Environment, err))
		}
		q.Specs = append(q.Specs, specs...)
	}
	for _, name := range p.Names {
		want(name, j.at(name, offer.check(name)))
	}
	for _, name := range j.implied(offer) {
		if !excluded(p.Excluded, name) {
			q.Specs = append(q.Specs, name)
		}
	}
	slices.Sort(q.Specs)
	q.Specs = slices.Compact(q.Specs)
	return q, errors.Join(errs...)
}

// groups are those that the kickstart selects. Unless it says otherwise, core is one.
func (j *job) groups() []kickstart.Group {
	p := j.ks.Packages
	groups := slices.Clone(p.Groups)
	named := slices.ContainsFunc(groups, func(g kickstart.Group) bool { return g.Name == "core" })
	if !p.NoCore && !named && !slices.Contains(p.ExcludedGroups, "core") {
		groups = append(groups, kickstart.Group{Name: "core"})
	}
	return groups
}

// at gives an error the place of a line of %packages, or of the section if
// the name is one that we added; nil stays nil.
func (j *job) at(name string, err error) error {
	if err == nil {
		return nil
	}
	place, ok := j.ks.Packages.Lines[name]
	if !ok {
		place = j.ks.Packages.Place
	}
	err = &kickstart.Diagnostic{At: place, Message: err.Error()}
	if j.lock != nil {
		return hint.Wrap(err, "%s", onlyLocked)
	}
	return err
}

const onlyLocked = "a locked build has only what the lock lists: build without --locked to get a new one"

// implied are the packages that a system needs for what the kickstart's
// commands ask for, as far as the repositories have them: those that the
// installer would add.
func (j *job) implied(o *offer) []string {
	var names []string
	first := func(candidates ...string) {
		for _, name := range candidates {
			if o.names[name] {
				names = append(names, name)
				return
			}
		}
	}
	if !j.plan.Boot.None {
		if !slices.ContainsFunc(j.ks.Packages.Names, func(n string) bool { return n == "kernel" || n == "kernel-core" }) {
			first("kernel", "kernel-core")
		}
		first("grub2-tools")
		switch j.m.Image.Arch {
		case "x86_64":
			first("grub2-pc")
			first("grub2-efi-x64")
			first("shim-x64", "shim")
			first("efibootmgr")
		case "aarch64":
			first("grub2-efi-aa64")
			first("shim-aa64", "shim")
			first("efibootmgr")
		}
	}
	for _, p := range j.plan.Partitions {
		if p.FS == nil {
			continue
		}
		switch {
		case strings.HasPrefix(p.FS.Type, "ext"):
			first("e2fsprogs")
		case p.FS.Type == "xfs":
			first("xfsprogs")
		case p.FS.Type == "btrfs":
			first("btrfs-progs")
		case p.FS.Type == "vfat":
			first("dosfstools")
		}
	}
	for command, name := range map[string]string{"authselect": "authselect", "firewall": "firewalld"} {
		if c := j.ks.Last(command); c != nil && !c.Has("--disabled") && !c.Has("--use-system-defaults") {
			first(name)
		}
	}
	if c := j.ks.Last("timesource"); c != nil && !c.Has("--ntp-disable") {
		first("chrony")
	}
	return names
}

// excluded reports whether a name matches one of the kickstart's exclusions, which may be globs.
func excluded(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		matched, err := path.Match(p, name)
		return err == nil && matched
	})
}
