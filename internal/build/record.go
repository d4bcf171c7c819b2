package build

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/fetch"
	"github.com/respin-project/respin/internal/lock"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/sbom"
)

// packages returns what the tree's RPM database lists, with what the
// repositories know of each.
func (j *job) packages(ctx context.Context) ([]manifest.Package, error) {
	const format = `%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{LONGSIZE}\t%{SOURCERPM}\t%{LICENSE}\n`
	cmd := sandbox.Command{
		Root: j.buildroot.Root, ReadOnly: true, Env: sandbox.Environment(),
		Args:   []string{"rpm", "--root=/target", "-qa", "--qf", format},
		Mounts: []sandbox.Mount{{Source: j.tree, Target: "/target"}},
	}
	var out bytes.Buffer
	var complaints sandbox.Tail
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(ctx); err != nil {
		return nil, fmt.Errorf("reading the image's RPM database: %w: %s", err, complaints.Quote())
	}
	known := j.known()
	var all []manifest.Package
	for line := range strings.Lines(out.String()) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range f {
			if f[i] == "(none)" {
				f[i] = "" // rpm's word for a tag that is not there
			}
		}
		if len(f) != 8 {
			return nil, fmt.Errorf("reading the image's RPM database: %q is not what was asked for", line)
		}
		if f[0] == "gpg-pubkey" {
			continue // a key, not a package
		}
		epoch, err1 := strconv.Atoi(f[1])
		size, err2 := strconv.ParseInt(cmp.Or(f[5], "0"), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("reading the image's RPM database: %w", err)
		}
		p := manifest.Package{Name: f[0], Epoch: epoch, Version: f[2], Release: f[3], Arch: f[4], Installed: size, Source: f[6], License: f[7]}
		if origin, ok := known[p.NEVRA()]; ok {
			p.Repository, p.URL, p.Checksum, p.Size, p.Key = origin.Repository, origin.URL, origin.Checksum, origin.Size, origin.Key
		}
		all = append(all, p)
	}
	sortPackages(all)
	return all, nil
}

func sortPackages(all []manifest.Package) {
	slices.SortFunc(all, func(a, b manifest.Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.NEVRA(), b.NEVRA()))
	})
}

// known returns the packages of the transaction, by NEVRA.
func (j *job) known() map[string]manifest.Package {
	known := map[string]manifest.Package{}
	if j.lock != nil {
		signers := map[string]string{}
		for _, r := range j.installed {
			signers[r.Checksum] = r.Signer
		}
		for _, p := range j.lock.Packages {
			p.Key = cmp.Or(p.Key, signers[p.Checksum]) // img-plan --update has not seen the package
			known[p.NEVRA()] = p
		}
		return known
	}
	type origin struct{ repository, checksum string }
	listed := map[origin]*repo.Package{}
	for _, s := range j.snapshots {
		packages, _ := s.Packages(context.Background()) // read before
		for _, p := range packages {
			listed[origin{s.Name, p.Checksum.String()}] = p
		}
	}
	for _, r := range j.installed {
		if p := listed[origin{r.Repository, r.Checksum}]; p != nil {
			known[r.NEVRA] = describe(p, r.URL, r.Signer)
		}
	}
	return known
}

// describe is a repository's package as manifests and locks have it.
func describe(p *repo.Package, url, signer string) manifest.Package {
	return manifest.Package{
		Name: p.Name, Epoch: p.Epoch, Version: p.Version, Release: p.Release, Arch: p.Arch,
		Repository: p.Snapshot.Name, URL: fetch.Redact(url), Checksum: p.Checksum.String(),
		Size: p.Size, Installed: p.Installed, Source: p.Source, License: p.License, Key: signer,
	}
}

// record writes down what the image was built from and adds it to the manifest.
func (j *job) record(ctx context.Context) error {
	b := j.m.Build
	var used *lock.Lock
	if j.lock != nil {
		used = new(*j.lock)
	} else {
		var err error
		if used, err = j.newLock(ctx); err != nil {
			return err
		}
	}
	used.Kickstart = j.m.Kickstart.Digest
	b.Repositories = used.Repositories
	var err error
	if b.Lock, err = used.Digest(); err != nil {
		return err
	}
	j.m.Folder = filepath.Join(j.Output, j.m.Image.ID())
	j.m.Artifacts = nil
	st, err := os.Stat(filepath.Join(j.folder, j.diskName()))
	if err != nil {
		return err
	}
	j.m.SetArtifact(manifest.Artifact{Path: j.diskName(), Format: "raw", MediaType: "application/octet-stream", Size: st.Size(), VirtualSize: st.Size()})
	lockText, err := used.Text()
	if err != nil {
		return err
	}
	bill, err := sbom.Text(j.m.Image, b, j.distribution, j.m.Kickstart.Digest)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name, format, mediaType string
		text                    []byte
	}{
		{"lock." + j.m.Image.Arch + ".json", "lock", "application/json", lockText},
		{"packages.txt", "packages", "text/plain", packageList(b.Packages)},
		{"sbom.spdx.json", "spdx", sbom.MediaType, bill},
	} {
		if err := j.writeArtifact(f.name, f.format, f.mediaType, f.text); err != nil {
			return err
		}
	}
	return j.saveManifest()
}

func (j *job) writeArtifact(name, format, mediaType string, text []byte) error {
	if err := os.WriteFile(filepath.Join(j.folder, name), text, 0o644); err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	j.m.SetArtifact(manifest.Artifact{Path: name, Format: format, MediaType: mediaType, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	return nil
}

// saveManifest writes manifest.json into the folder that is not yet the image's.
func (j *job) saveManifest() error {
	if err := j.workspace.Close(); err != nil {
		return err
	}
	j.workspace = nil
	if err := os.Remove(filepath.Join(j.folder, "work")); err != nil {
		return err
	}
	final := j.m.Folder
	j.m.Folder = j.folder
	err := j.m.Save()
	j.m.Folder = final
	return err
}

// newLock is the lock of what was used.
func (j *job) newLock(ctx context.Context) (*lock.Lock, error) {
	l := &lock.Lock{
		Image:      lock.Image{Name: j.m.Image.Name, Version: j.m.Image.Version, Arch: j.m.Image.Arch},
		SourceDate: j.date,
	}
	environments, groups := j.selection()
	for _, s := range j.snapshots {
		l.Repositories = append(l.Repositories, manifest.Repository{Name: s.Name, URL: fetch.Redact(s.URL), Repomd: s.Repomd.String(), Newest: s.Newest})
		comps, err := s.Comps(ctx)
		if err != nil {
			return nil, err
		}
		if comps == nil {
			continue
		}
		if only := comps.Only(environments, groups); len(only.Groups) > 0 {
			l.Comps = append(l.Comps, lock.Comps{Repository: s.Name, Comps: *only})
		}
	}
	for _, p := range j.known() {
		l.Packages = append(l.Packages, p)
	}
	tools, err := repo.Fetch(ctx, j.Fetcher, j.buildroot.Packages)
	if err != nil {
		return nil, err
	}
	for _, f := range tools {
		signer := ""
		if f.Signer != nil {
			signer = f.Signer.Fingerprint
		}
		l.Buildroot = append(l.Buildroot, describe(f.Package, f.URL, signer))
	}
	return l, nil
}

// selection is which environments and groups the kickstart asks for.
func (j *job) selection() (environments, groups []string) {
	if e := j.ks.Packages.Environment; e != "" {
		environments = append(environments, e)
	}
	for _, g := range j.groups() {
		groups = append(groups, g.Name)
	}
	return environments, groups
}

// packageList is a line for each package: its NEVRA and the size of its contents.
func packageList(all []manifest.Package) []byte {
	var b bytes.Buffer
	for _, p := range all {
		fmt.Fprintf(&b, "%s %d\n", p.NEVRA(), p.Installed)
	}
	return b.Bytes()
}
