package convert

import (
	"fmt"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sys/unix"
)

// leastRatio is how small a compressed disk may get, as the divisor of its
// data: what takes less space than that is refused only when the room runs out.
const leastRatio = 20

// checkSpace refuses work that cannot end well for want of room in folder.
func checkSpace(folder string, formats []Format, data int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return fmt.Errorf("finding the free space of %q: %w", folder, err)
	}
	need := int64(0)
	for _, f := range formats {
		if f.disk.kind == "raw" {
			need += data
		} else {
			need += data / leastRatio
		}
	}
	free := int64(st.Bavail) * st.Bsize
	if need <= free {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%q has %s free, and the files take at least %s", folder, report.Size(free), report.Size(need)),
		"make room, or choose another folder with --output")
}
