package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/hint"
)

// git runs git in a folder and returns what it prints.
func git(ctx context.Context, folder string, args ...string) (string, error) {
	// A file system monitor would be a program that the working copy names.
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", folder, "-c", "core.fsmonitor=false"}, args...)...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", hint.Wrap(err, "install git, or leave --since out")
		}
		first, _, _ := strings.Cut(strings.TrimSpace(complaints.String()), "\n")
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, first)
	}
	return out.String(), nil
}

// changedFiles returns those of the files that the image is made from which
// are not what they were at Since: the kickstart and all it includes, the spec,
// its key files and the lock. Changes that are not committed count.
func (i *image) changedFiles(ctx context.Context) ([]string, error) {
	folder := filepath.Dir(i.plan.Lock)
	changed, known := i.changed[folder]
	if !known {
		var err error
		if changed, err = changedSince(ctx, folder, i.Since); err != nil {
			return nil, err
		}
		i.changed[folder] = changed
	}
	files := []string{i.target.File, i.plan.Lock}
	for _, s := range i.ks.Sources {
		files = append(files, s.Path)
	}
	if i.m.Spec != nil {
		for _, k := range i.m.Spec.Keys {
			files = append(files, k.URL)
		}
	}
	var found []string
	for _, file := range files {
		if file == "" || strings.Contains(file, "://") {
			continue
		}
		if slices.ContainsFunc(realPaths(file), func(path string) bool { return changed[path] }) {
			found = append(found, file)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// changedSince returns the absolute paths of the files of a working copy that
// differ from a commit or are not under version control yet.
func changedSince(ctx context.Context, folder, since string) (map[string]bool, error) {
	top, err := git(ctx, folder, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("looking for what changed since %q: %w", since, err)
	}
	top = strings.TrimSuffix(top, "\n")
	commit, err := git(ctx, top, "rev-parse", "--verify", "--quiet", "--end-of-options", since+"^{commit}")
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("there is no commit %q", since), "fetch it first; actions/checkout does with fetch-depth: 0")
	}
	differ, err := git(ctx, top, "diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", strings.TrimSpace(commit), "--")
	if err != nil {
		return nil, err
	}
	untracked, err := git(ctx, top, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return nil, err
	}
	if top, err = filepath.EvalSymlinks(top); err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for name := range strings.SplitSeq(differ+untracked, "\x00") {
		if name != "" {
			changed[filepath.Join(top, name)] = true
		}
	}
	return changed, nil
}

// realPaths are the absolute paths that git may know a file by: that of a
// symbolic link and that of what it leads to. None if there is no such file.
func realPaths(path string) []string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	var all []string
	if folder, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		all = append(all, filepath.Join(folder, filepath.Base(abs)))
	}
	if target, err := filepath.EvalSymlinks(abs); err == nil {
		all = append(all, target)
	}
	return all
}

// committed is when a file was committed last, seconds since 1970; 0 if never.
func committed(ctx context.Context, path string) (int64, error) {
	out, err := git(ctx, filepath.Dir(path), "log", "-1", "--format=%ct", "--", filepath.Base(path))
	if err != nil {
		return 0, fmt.Errorf("looking for the date of %s: %w", path, err)
	}
	if out = strings.TrimSpace(out); out == "" {
		return 0, nil
	}
	return strconv.ParseInt(out, 10, 64)
}
