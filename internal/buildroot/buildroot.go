// Package buildroot makes the small system in which an image is built: the
// target distribution's own rpm, dnf, mkfs and boot loader tools, unpacked
// from its verified packages without any tool of the host's. A buildroot is
// kept in the cache and only ever read.
package buildroot

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/depsolve"
	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/sandbox"
)

// version changes when the same packages are made into a different buildroot.
const version = "2"

// Basic is what every build needs, whatever its disk looks like.
var Basic = []depsolve.Want{
	{Names: []string{"/usr/bin/bash"}},
	{Names: []string{"coreutils"}},
	{Names: []string{"/usr/bin/rpm"}},
	{Names: []string{"/usr/bin/dnf5", "/usr/bin/dnf-3", "/usr/bin/dnf"}},
	{Names: []string{"glibc-common", "/usr/sbin/ldconfig"}, Optional: true},
	{Names: []string{"/usr/sbin/setfiles"}, Optional: true},
	{Names: []string{"util-linux"}, Optional: true},
	{Names: []string{"/usr/bin/sqlite3"}, Optional: true},
}

// A Buildroot is a folder of the cache; it must not be written to.
type Buildroot struct {
	Root     string
	Packages []*repo.Package
	Key      string // names its contents
}

// Make returns a buildroot with what wants asks for, from the cache if it was
// made before. Every package was verified with its repository's keys.
func Make(ctx context.Context, f *fetch.Fetcher, snapshots []*repo.Snapshot, arch string, wants []depsolve.Want, r *report.Report) (*Buildroot, error) {
	packages, err := depsolve.Resolve(ctx, snapshots, arch, wants)
	if err != nil {
		return nil, fmt.Errorf("choosing the packages of the buildroot: %w", err)
	}
	return Of(ctx, f, packages, r)
}

// Of returns the buildroot of exactly these packages.
func Of(ctx context.Context, f *fetch.Fetcher, packages []*repo.Package, r *report.Report) (*Buildroot, error) {
	parts := []string{version}
	for _, p := range packages {
		parts = append(parts, p.Checksum.String())
	}
	slices.Sort(parts[1:])
	b := &Buildroot{Packages: packages, Key: cache.Key(parts...)}
	var err error
	b.Root, err = f.Cache.Make(ctx, "buildroot", b.Key, func(path string) error {
		return unpack(ctx, f, packages, path, r)
	})
	if err != nil {
		return nil, fmt.Errorf("making the buildroot: %w", err)
	}
	return b, nil
}

func unpack(ctx context.Context, f *fetch.Fetcher, packages []*repo.Package, root string, r *report.Report) error {
	fetched, err := repo.Fetch(ctx, f, packages)
	if err != nil {
		return err
	}
	files := make([]*rpm.Package, len(fetched))
	for i, p := range fetched {
		if files[i], err = rpm.ReadFile(p.Path); err != nil {
			return err
		}
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	// Nobody but root works in a buildroot, so everything belongs to root.
	if err := rpm.Extract(ctx, root, files, rpm.Options{SkipDevices: true, SkipDocs: true, Report: r}); err != nil {
		return err
	}
	return finish(ctx, root)
}

// rpmMacros settle what rpm can do in a sandbox: an ordinary user may not
// change what the three folders are mounted over, and scriptlets, which are in
// namespaces already, cannot make more of them nor talk to the host's systemd.
const rpmMacros = `%_netsharedpath /sys:/proc:/dev
%__transaction_unshare %{nil}
%__transaction_systemd_inhibit %{nil}
`

// finish does what scriptlets would have done, as far as a buildroot needs it.
func finish(ctx context.Context, root string) error {
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer r.Close()
	// Mount points, because the folder is read-only later; those of the second row are ours.
	for _, dir := range []string{"proc", "sys", "dev", "run", "tmp", "var/tmp", "var/cache", "var/log",
		"target", "work", "out", "respin", "mnt/sysimage", "mnt/sysroot", "etc/rpm"} {
		if err := r.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"etc/rpm/macros.respin":    rpmMacros,
		"etc/rpm/macros.languages": "", // a build may mount its own over it
		"etc/machine-id":           "",
		"etc/resolv.conf":          "",
		"etc/hosts":                "127.0.0.1 localhost\n::1 localhost\n",
	} {
		r.Remove(name) // it may be a link
		if err := r.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if _, err := r.Stat("usr/sbin/ldconfig"); err != nil {
		return nil
	}
	ldconfig := sandbox.Command{Root: root, Args: []string{"ldconfig"}, Env: sandbox.Environment()}
	_, err = ldconfig.Output(ctx)
	return err
}
