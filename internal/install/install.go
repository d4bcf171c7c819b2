// Package install has the target distribution's own dnf install packages into
// a root tree, from repositories that are served to it out of the verified
// cache. dnf has no network: what it asks for is fetched and verified here
// before a byte of it reaches dnf, which then verifies it once more.
package install

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/pending"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
)

// A Request is what to install, in dnf's terms.
type Request struct {
	Specs         []string // names, globs, files, "@group", "@^environment"
	Excludes      []string // names and globs that must not be installed, even as a requirement
	WeakDeps      bool
	Docs          bool
	Languages     []string // locales to install; nil is all, empty is none
	IgnoreMissing bool     // go on without specs that no repository has
	IgnoreBroken  bool     // go on without packages whose requirements cannot be met
	Multilib      bool     // of each package all architectures
}

// An Installer installs into a tree.
type Installer struct {
	Buildroot  string // with dnf
	Tree       string // the root tree, a folder that Buildroot's rpm takes for the new system
	Releasever string
	Date       int64 // SOURCE_DATE_EPOCH
	Snapshots  []*repo.Snapshot
	Fetcher    *fetch.Fetcher
	Log        io.Writer // gets dnf's output
	Report     *report.Report
}

// Install carries a request out and returns the packages that were installed,
// in no particular order.
func (in *Installer) Install(ctx context.Context, q Request) ([]repo.Fetched, error) {
	server, err := newServer(ctx, in.Fetcher, in.Snapshots)
	if err != nil {
		return nil, err
	}
	conf, err := pending.NewFolder("respin-dnf-")
	if err != nil {
		return nil, err
	}
	defer conf.Close()
	if err := in.configure(conf.Path, q); err != nil {
		return nil, err
	}
	task := in.Report.Task("installing packages", 0, report.Items)
	defer task.Drop()
	output := &dnfOutput{log: in.Log, task: task}
	cmd := sandbox.Command{
		Root: in.Buildroot,
		Args: append(in.program(), in.arguments(q)...),
		Env:  in.environment(),
		Mounts: []sandbox.Mount{
			{Source: in.Tree, Target: "/target"},
			{Target: "/target", System: true},
			{Source: conf.Path, Target: "/respin", ReadOnly: true},
			{Source: filepath.Join(conf.Path, "macros"), Target: "/etc/rpm/macros.languages", ReadOnly: true},
			{Target: "/var/cache"}, {Target: "/var/log"}, {Target: "/var/tmp"},
		},
		ReadOnly: true,
		Serve:    server,
		Stdout:   output, Stderr: output,
	}
	if err := cmd.Run(ctx); err != nil {
		if served := server.err(); served != nil {
			return nil, served // dnf only knows that something could not be downloaded
		}
		return nil, output.explain(err)
	}
	task.Done()
	return server.served(), server.err()
}

// environment keeps the kernel's scriptlet from making an initramfs: that is
// done once, when everything is installed.
func (in *Installer) environment() []string {
	return sandbox.Environment("KERNEL_INSTALL_BYPASS=1", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", in.Date))
}

// program returns the dnf that the buildroot has.
func (in *Installer) program() []string {
	for _, name := range []string{"dnf5", "dnf-3", "dnf4"} {
		if _, err := os.Stat(filepath.Join(in.Buildroot, "usr/bin", name)); err == nil {
			return []string{name}
		}
	}
	return []string{"dnf"}
}

// configure writes dnf's configuration, the repositories and their keys to a folder.
func (in *Installer) configure(dir string, q Request) error {
	var b strings.Builder
	set := func(name string, value any) { fmt.Fprintf(&b, "%s=%v\n", name, value) }
	b.WriteString("[main]\n")
	set("reposdir", "/respin/repos")
	set("cachedir", "/var/cache/dnf")
	set("system_cachedir", "/var/cache/dnf") // dnf5's, when root runs it
	set("logdir", "/var/log")
	set("keepcache", 0)
	set("best", 1)
	set("zchunk", 0)
	set("deltarpm", 0)
	set("plugins", 0)
	set("countme", 0)
	set("max_parallel_downloads", 16)
	set("install_weak_deps", boolean(q.WeakDeps))
	if !q.Docs {
		set("tsflags", "nodocs")
	}
	if q.Multilib {
		set("multilib_policy", "all")
	}
	if len(q.Excludes) > 0 {
		set("excludepkgs", strings.Join(q.Excludes, ","))
	}
	if q.IgnoreMissing && in.program()[0] != "dnf5" {
		set("strict", 0)
	}
	files := map[string]string{"dnf.conf": b.String(), "macros": languages(q.Languages)}
	for i, s := range in.Snapshots {
		text, key := repository(s, i)
		files["repos/"+s.Name+".repo"] = text
		files["keys/"+s.Name] = key
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// languages is the rpm macro that limits the translations that are unpacked.
func languages(names []string) string {
	switch {
	case names == nil:
		return ""
	case len(names) == 0:
		return "%_install_langs none\n"
	}
	return "%_install_langs " + strings.Join(names, ":") + "\n"
}

// repository returns the text of the i-th repository's .repo file and of its
// keys. Of packages that several repositories have, dnf would take whichever
// was loaded first; costs that rise decide for the first one.
func repository(s *repo.Snapshot, i int) (text, keys string) {
	var b, k strings.Builder
	fmt.Fprintf(&b, "[%s]\nname=%s\nbaseurl=%s/%s/\nenabled=1\n", s.Name, s.Name, sandbox.ServeURL, s.Name)
	fmt.Fprintf(&b, "cost=%d\npriority=%d\n", orDefault(s.Cost, 1000+i), orDefault(s.Priority, 99))
	if s.Keys == nil {
		b.WriteString("gpgcheck=0\n")
		return b.String(), ""
	}
	fmt.Fprintf(&b, "gpgcheck=1\ngpgkey=file:///respin/keys/%s\n", s.Name)
	for _, key := range s.Keys.Keys() {
		k.Write(key.Armored())
		k.WriteByte('\n')
	}
	return b.String(), k.String()
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

func (in *Installer) arguments(q Request) []string {
	args := []string{"-y", "--config=/respin/dnf.conf", "--installroot=/target", "--releasever=" + in.Releasever}
	if in.program()[0] == "dnf5" {
		args = append(args, "--use-host-config", "--setopt=reposdir=/respin/repos", "install")
		if q.IgnoreMissing {
			args = append(args, "--skip-unavailable")
		}
		if q.IgnoreBroken {
			args = append(args, "--skip-broken")
		}
	} else {
		args = append(args, "--setopt=reposdir=/respin/repos", "install")
		if q.IgnoreBroken {
			args = append(args, "--skip-broken")
		}
		// dnf 4 looks for environments and groups alike, and does not know the circumflex.
		for _, spec := range q.Specs {
			args = append(args, strings.Replace(spec, "@^", "@", 1))
		}
		return args
	}
	return append(args, q.Specs...)
}
