package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/hint"
)

// idsNeeded is how many ids a distribution's files are owned by at most: the
// highest in use everywhere is nobody, 65534.
const idsNeeded = 65535

// An idRange is a line of /etc/subuid or /etc/subgid; see subuid(5).
type idRange struct{ first, count int }

// mapIDs maps root of process pid's user namespace to the caller, and the
// other ids to the range that the administrator gave to the caller.
func mapIDs(pid int) error {
	for _, m := range []struct {
		program, file string
		own           int
	}{
		{"newuidmap", "/etc/subuid", os.Getuid()},
		{"newgidmap", "/etc/subgid", os.Getgid()},
	} {
		r, err := ownRange(m.file)
		if err != nil {
			return err
		}
		out, err := exec.Command(m.program, strconv.Itoa(pid), "0", strconv.Itoa(m.own), "1",
			"1", strconv.Itoa(r.first), strconv.Itoa(idsNeeded)).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			return hint.Wrap(fmt.Errorf("building as an ordinary user takes %s, which is not installed", m.program),
				"install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora), or run it with sudo")
		} else if err != nil {
			return fmt.Errorf("%s: %w: %s", m.program, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// ownRange finds the caller's range in a subuid file.
func ownRange(file string) (idRange, error) {
	names := []string{strconv.Itoa(os.Getuid())}
	if u, err := user.Current(); err == nil {
		names = append(names, u.Username)
	}
	advice := fmt.Sprintf("as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s; or run it with sudo", names[len(names)-1])
	f, err := os.Open(file)
	if err != nil {
		return idRange{}, hint.Wrap(fmt.Errorf("building as an ordinary user takes a range of ids: %w", err), "%s", advice)
	}
	defer f.Close()
	r, err := findRange(f, names)
	if err != nil {
		return idRange{}, hint.Wrap(fmt.Errorf("building as an ordinary user takes a range of ids: %s: %w", file, err), "%s", advice)
	}
	return r, nil
}

// findRange returns the first range that one of names has and that is large enough.
func findRange(r io.Reader, names []string) (idRange, error) {
	found := false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 3 || fields[0] != names[0] && fields[0] != names[len(names)-1] {
			continue
		}
		first, err1 := strconv.Atoi(fields[1])
		count, err2 := strconv.Atoi(fields[2])
		if err1 != nil || err2 != nil {
			return idRange{}, fmt.Errorf("line %q is not NAME:FIRST:COUNT", lines.Text())
		}
		if count >= idsNeeded {
			return idRange{first, count}, nil
		}
		found = true
	}
	if found {
		return idRange{}, fmt.Errorf("no range of %s has %d ids", names[len(names)-1], idsNeeded)
	}
	return idRange{}, fmt.Errorf("there is no range for %s", names[len(names)-1])
}
