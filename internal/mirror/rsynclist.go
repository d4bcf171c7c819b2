package mirror

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A list of files takes rsync several times as long as a whole folder with
// exceptions, which is what a large tree is given as.
const (
	largeTree      = 1000 // files from which on that is tried
	mostExceptions = 1000
)

// base is the folder that all files lie in as they should at the destination; ok is false if there is none.
func base(files []File) (dir string, ok bool) {
	for n, f := range files {
		d, ok := strings.CutSuffix(f.Source, "/"+filepath.FromSlash(f.Path))
		if !ok || n > 0 && d != dir {
			return "", false
		}
		dir = d
	}
	return dir, len(files) > 0
}

// exceptions are the paths in the folder base that are not among the files:
// other files, links, and folders without any of the files. ok is false if there are many.
func exceptions(base string, files []File) (paths []string, ok bool, err error) {
	wanted, folders := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		wanted[f.Path] = true
		for dir := path.Dir(f.Path); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	err = filepath.WalkDir(base, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == base {
			return err
		}
		rel, err := filepath.Rel(base, name)
		if err != nil {
			return err
		}
		p := filepath.ToSlash(rel)
		if d.IsDir() && folders[p] || d.Type()&fs.ModeType == 0 && wanted[p] {
			return nil
		}
		if paths = append(paths, p); len(paths) > mostExceptions {
			return fs.SkipAll
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	return paths, len(paths) <= mostExceptions, err
}

// A comparison of a whole folder with the destination is under way.
type comparison struct {
	dir   string
	stop  context.CancelFunc
	done  chan struct{} // closed when there are:
	found map[string]string
	err   error
}

// Ahead begins to compare a folder while its files are still being listed here,
// which takes about as long as rsync takes for it.
func (d *remote) Ahead(ctx context.Context, dir string) {
	ctx, stop := context.WithCancel(ctx)
	c := &comparison{dir: dir, stop: stop, done: make(chan struct{})}
	d.ahead = c
	go func() {
		defer close(c.done)
		c.found, c.err = d.compareAll(ctx, dir)
	}()
}

// compareFolder compares by size and time all that is in a folder, which saves listing it for rsync.
func (d *remote) compareFolder(ctx context.Context, dir string) (map[string]string, error) {
	c := d.ahead
	if c == nil || c.dir != dir {
		return d.compareAll(ctx, dir)
	}
	d.ahead = nil // it is true once
	defer c.stop()
	<-c.done
	return c.found, c.err
}

func (d *remote) compareAll(ctx context.Context, dir string) (map[string]string, error) {
	out, err := d.run(ctx, "-rt", "-s", "-8", "--omit-dir-times", "--out-format=%i %n", "--dry-run", "--", dir+"/", d.target)
	return differing(out), err
}

// selection writes for rsync which files of a folder it takes, and returns the flag that says so.
func selection(list, base string, files []File) (flag string, err error) {
	var paths []string
	flag = "--files-from=" + list
	if len(files) >= largeTree && base != "" {
		others, ok, err := exceptions(base, files)
		if err != nil {
			return "", err
		}
		if ok {
			pattern := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`)
			for _, p := range others {
				if strings.ContainsAny(p, "*?[") { // or a backslash stands for itself
					p = pattern.Replace(p)
				}
				paths = append(paths, "/"+p)
			}
			flag = "--exclude-from=" + list
			return flag, write(list, paths)
		}
	}
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return flag, write(list, paths)
}

func write(list string, paths []string) error {
	return os.WriteFile(list, []byte(strings.Join(paths, "\x00")+"\x00"), 0o600)
}
