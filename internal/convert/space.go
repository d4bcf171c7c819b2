package convert

import (
	"fmt"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"golang.org/x/sys/unix"
)

// How small a disk may get when it is compressed, as divisors of its data and,
// for streams, of its zeros: what takes less is refused only when the room runs out.
const (
	leastData  = 20
	leastZeros = 8192
)

// checkSpace refuses work that cannot end well for want of room in folder. The
// disk has size bytes, data of them not in holes.
func checkSpace(folder string, formats []Format, size, data int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return fmt.Errorf("finding the free space of %q: %w", folder, err)
	}
	need := int64(0)
	for _, f := range formats {
		switch {
		case f.disk.kind == "raw":
			need += data
		case f.disk.whole():
			need += data/leastData + size/leastZeros
		default:
			need += data / leastData
		}
	}
	free := int64(st.Bavail) * st.Bsize
	if need <= free {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%q has %s free, and the files take at least %s", folder, report.Size(free), report.Size(need)),
		"make room, or choose another folder with --output")
}
