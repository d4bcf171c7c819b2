package tree

import (
	"fmt"
	"os"
)

// ReadFile reads a regular file of the tree dir, through no link that leads out
// of it. Scripts and packages fill trees: where a file should be, there may be a
// pipe that nobody ever writes to.
func ReadFile(dir, name string) ([]byte, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if st, err := r.Stat(name); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("/%s is no regular file", name)
	}
	return r.ReadFile(name)
}
