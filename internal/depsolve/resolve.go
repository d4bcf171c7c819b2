package depsolve

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/respin-project/respin/internal/cache"
	"github.com/respin-project/respin/internal/repo"
)

// Resolve returns the packages that satisfy wants and everything they
// require, one version of each, sorted by name. It takes care of requirements
// on files that only the repositories' filelists know.
func Resolve(ctx context.Context, snapshots []*repo.Snapshot, arch string, wants []Want) ([]*repo.Package, error) {
	var all []*repo.Package
	for _, s := range snapshots {
		packages, err := s.Packages(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, packages...)
	}
	u := newUniverse(all, arch)
	packages, missing := u.close(wants)
	if files := missingFiles(missing); len(files) > 0 {
		if err := u.addFiles(ctx, snapshots, files); err != nil {
			return nil, err
		}
		packages, missing = u.close(wants)
	}
	if len(missing) > 0 {
		return nil, unsatisfied(missing)
	}
	return packages, nil
}

func missingFiles(all []missing) map[string]bool {
	files := map[string]bool{}
	for _, m := range all {
		if strings.HasPrefix(m.what.Name, "/") {
			for _, path := range spellings(m.what.Name) {
				files[path] = true
			}
		}
	}
	return files
}

// addFiles looks paths up in the filelists.
func (u *universe) addFiles(ctx context.Context, snapshots []*repo.Snapshot, paths map[string]bool) error {
	byChecksum := map[string]*repo.Package{}
	for _, p := range u.packages {
		byChecksum[p.Checksum.String()] = p
	}
	for _, s := range snapshots {
		err := s.Filelists(ctx, func(checksum cache.Digest, files []repo.File) error {
			p := byChecksum[checksum.String()]
			for _, f := range files {
				if p != nil && paths[f.Path] {
					u.files[f.Path] = append(u.files[f.Path], p)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// An UnsatisfiedError is a requirement that no package satisfies.
type UnsatisfiedError struct {
	What repo.Relation
	By   string // the package that requires it; empty: the build does
}

func (e *UnsatisfiedError) Error() string {
	if e.By == "" {
		return fmt.Sprintf("no repository has %s, which the build needs", e.What)
	}
	return fmt.Sprintf("no repository has %s, which %s requires", e.What, e.By)
}

// unsatisfied reports every missing requirement.
func unsatisfied(all []missing) error {
	var errs []error
	for _, m := range all {
		errs = append(errs, &UnsatisfiedError{m.what, m.by})
	}
	return errors.Join(errs...)
}
