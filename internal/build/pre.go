package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/disk"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/sandbox"
)

// openWorkspace mounts the memory that the tree is made in.
func (j *job) openWorkspace() error {
	dir := filepath.Join(j.folder, "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	available, err := sandbox.AvailableMemory()
	if err != nil {
		return err
	}
	j.room = available / 8 * 7
	if j.workspace, err = sandbox.NewWorkspace(dir, j.room); err != nil {
		return err
	}
	j.tree, j.temp = filepath.Join(dir, "tree"), filepath.Join(dir, "tmp")
	return errors.Join(os.Mkdir(j.tree, 0o755), os.Mkdir(j.temp, 0o700))
}

// pre runs the %pre scripts, which may make files that the kickstart includes,
// and reads the kickstart again with these.
func (j *job) pre(ctx context.Context) error {
	scripts := func(s *kickstart.Script) bool { return s.Kind == kickstart.Pre }
	if len(j.ks.Unresolved) == 0 && !slices.ContainsFunc(j.ks.Scripts, scripts) {
		return nil
	}
	// They run before it is known what the disk needs.
	j.plan = &disk.Plan{Label: disk.GPT, Boot: disk.Bootloader{None: true}}
	if err := j.makeBuildroot(ctx); err != nil {
		return err
	}
	if err := j.runScripts(ctx, kickstart.Pre); err != nil {
		return err
	}
	if len(j.ks.Unresolved) == 0 {
		return nil
	}
	included, err := j.include(j.m.Kickstart)
	if err != nil {
		return err
	}
	if j.ks, err = kickstart.Restore(included); err != nil {
		return err
	}
	return j.check()
}

// maxInclude bounds a file that a script makes for inclusion, bytes.
const maxInclude = 4 << 20

// include returns the kickstart with the files that %pre made in the places
// of their %include lines.
func (j *job) include(k *manifest.Kickstart) (*manifest.Kickstart, error) {
	all := *k
	var text strings.Builder
	all.Origins = nil
	lines := 0
	add := func(line, file string, number int) {
		lines++
		n := lines
		if last := len(all.Origins) - 1; last < 0 || all.Origins[last].File != file || all.Origins[last].FileLine+n-all.Origins[last].Line != number {
			all.Origins = append(all.Origins, manifest.Origin{Line: n, File: file, FileLine: number})
		}
		text.WriteString(line)
	}
	n := 0
	for line := range strings.Lines(k.Text) {
		n++
		file, number := k.Locate(n)
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[0] != "%include" && fields[0] != "%ksappend" {
			add(line, file, number)
			continue
		}
		made, err := j.readMade(fields[1])
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("no script made it")
		}
		if err != nil {
			return nil, &kickstart.Diagnostic{At: kickstart.Place{File: file, Line: number, Column: 1}, Message: fmt.Sprintf("%%include %s: %v", fields[1], err)}
		}
		i := 0
		for line := range strings.Lines(made + "\n") {
			i++
			add(line, fields[1], i)
		}
	}
	all.Text = text.String()
	return &all, nil
}

// readMade reads a file that a script made in /tmp.
func (j *job) readMade(name string) (string, error) {
	inside, ok := strings.CutPrefix(filepath.Clean(name), "/tmp/")
	if !ok {
		return "", fmt.Errorf("scripts can leave files in /tmp only")
	}
	r, err := os.OpenRoot(j.temp)
	if err != nil {
		return "", err
	}
	defer r.Close()
	if st, err := r.Stat(inside); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	f, err := r.Open(inside)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxInclude+1))
	if len(text) > maxInclude {
		err = fmt.Errorf("it is longer than %d MiB", maxInclude>>20)
	}
	return string(text), err
}
