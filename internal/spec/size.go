package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are the suffixes of sizes, the longer ones first where one ends like another.
var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads a size such as "400MiB" or "1.5 GB" and returns bytes.
func ParseSize(s string) (int64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= u.bytes; err != nil || !(n >= 0) || n >= math.MaxInt64 {
			break
		}
		return int64(n), nil
	}
	return 0, fmt.Errorf("%q is no size: write it like 400MiB or 1.5GB", s)
}
