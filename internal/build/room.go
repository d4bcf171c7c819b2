package build

import (
	"errors"
	"fmt"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sys/unix"
)

// adviseRoom says where how much room is left, if that is what went wrong. A
// script has a limit of its own, and says so itself.
func (j *job) adviseRoom(err error) error {
	_, script := errors.AsType[*kickstart.Diagnostic](err)
	if err == nil || script || !errors.Is(err, unix.ENOSPC) && !strings.Contains(err.Error(), "No space left on device") {
		return err
	}
	var left []string
	for _, dir := range []string{j.Output, j.Fetcher.Cache.Dir()} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil {
			left = append(left, fmt.Sprintf("%s in %s", report.Size(int64(st.Bavail)*st.Bsize), dir))
		}
	}
	if used, err := j.workspace.Used(); err == nil {
		left = append(left, fmt.Sprintf("%s of memory", report.Size(j.room-used)))
	}
	return hint.Wrap(err, "free are %s: make room, or go elsewhere with --output and RESPIN_CACHE", strings.Join(left, ", "))
}
