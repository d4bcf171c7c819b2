package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/hint"
)

func git(ctx context.Context, folder string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("git %s in %s: %w: %s", args[0], folder, err, strings.TrimSpace(said.String()))
		return nil, hint.Wrap(err, "it takes a folder with a Git repository that has a commit")
	}
	return out, nil
}

// committed are the files of a commit, by their paths.
func committed(ctx context.Context, folder, commit string) (map[string]string, error) {
	archive, err := git(ctx, folder, "archive", "--format=tar", "--end-of-options", commit)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the files of %s: %w", commit, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("reading the files of %s: %w", commit, err)
		}
		files[h.Name] = string(text)
	}
}

// present are the files as they are, less those that Git ignores.
func present(ctx context.Context, folder string) (map[string]string, error) {
	list, err := git(ctx, folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for path := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(folder, path))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, which is a change as well
		}
		if err != nil {
			return nil, err
		}
		files[path] = string(text)
	}
	return files, nil
}
