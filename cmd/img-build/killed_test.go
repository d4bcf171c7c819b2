package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/cli/clitest"
	"github.com/respin-project/respin/internal/fixture"
	"golang.org/x/sys/unix"
)

// A session runs img-build on a kickstart for the fixture's tiny profile.
type session struct {
	tiny       fixture.Distribution
	dir, cache string
}

const kickstart = `bootloader --timeout=0
part biosboot --size=1 --fstype=biosboot
part / --size=200 --fstype=ext4
%packages --excludedocs
@core
%end
`

func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{tiny: fixture.Find(t, "tiny"), dir: t.TempDir()}
	s.cache = filepath.Join(s.dir, "cache")
	if os.Geteuid() != 0 {
		t.Skip("SKIP: not every ordinary user may have namespaces; internal/sandbox tests those that do")
	}
	return s
}

// command is img-build of a kickstart, in a process group of its own.
func (s *session) command(t *testing.T, text string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("img-build") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	m, err := json.Marshal(map[string]any{
		"schema":    "respin/v1",
		"image":     map[string]string{"name": "tiny", "version": "43", "release": "0", "arch": "x86_64"},
		"kickstart": map[string]string{"path": "tiny.ks", "syntax": "F43", "text": "url --url=" + s.tiny.Repo() + "\n" + text, "digest": "sha256:" + strings.Repeat("0", 64)},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--quiet", "--output", s.out(), "--key", s.tiny.Key())
	cmd.Stdin = bytes.NewReader(m)
	cmd.Env = append(os.Environ(), "RESPIN_CACHE="+s.cache)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func (s *session) out() string { return filepath.Join(s.dir, "out") }

// builds runs img-build, which must work and leave nothing but the image.
func (s *session) builds(t *testing.T, text string) {
	t.Helper()
	cmd := s.command(t, text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.holds(t, "tiny-43-0.x86_64")
	if err := os.RemoveAll(s.out()); err != nil {
		t.Fatal(err)
	}
}

func (s *session) holds(t *testing.T, pattern string) {
	t.Helper()
	entries, err := os.ReadDir(s.out())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if ok, _ := filepath.Match(pattern, e.Name()); !ok {
			t.Errorf("there is %s in the output folder", e.Name())
		}
	}
}

// reaches waits until the build log has a line.
func (s *session) reaches(t *testing.T, line string) {
	t.Helper()
	for range 6000 {
		logs, _ := filepath.Glob(filepath.Join(s.out(), ".respin-*/logs/build.log"))
		for _, path := range logs {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), line) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it never reached %q", line)
}

// descendants are the processes that came from this one and still run. This
// process adopts those whose parents are gone, and buries them: until then some
// of a dead process's threads may still hold its locks.
func descendants(t *testing.T) []int {
	t.Helper()
	for {
		if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
			break
		}
	}
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// PID (NAME) STATE PPID …; see proc_pid_stat(5).
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			parents[pid] = parent
		}
	}
	var all []int
	for pid := range parents {
		for p, known := pid, true; known && p != 0; p, known = parents[p] {
			if parents[p] == os.Getpid() {
				all = append(all, pid)
				break
			}
		}
	}
	return all
}

// Killed with no chance to clean up, a build leaves no process, no mount and
// nothing under a final name, and the next one works and clears up.
func TestKilled(t *testing.T) {
	s := newSession(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	const hangs = kickstart + "%post\n(trap '' HUP TERM INT; sleep 1000) &\nsleep 1000\n%end\n"
	for _, test := range []struct {
		at, text string
		kill     func(outer int) // with all of its processes; the first is the one that was started
	}{
		{"== the buildroot", kickstart, killGroup},
		{"== installing", kickstart, killOuter},
		{"Installing:", kickstart, killInner},
		{"running %post", hangs, killOuter},
		{"running %post", hangs, killInner},
		{"running %post", hangs, killGroup},
		{"== making the disk", kickstart, killGroup},
	} {
		cmd := s.command(t, test.text)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.reaches(t, test.at)
		test.kill(cmd.Process.Pid)
		timer := time.AfterFunc(time.Minute, func() { t.Errorf("killed at %q: it goes on", test.at); killGroup(cmd.Process.Pid) })
		cmd.Wait()
		timer.Stop()
		left := descendants(t)
		for range 1000 {
			if len(left) == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
			left = descendants(t)
		}
		if len(left) > 0 {
			t.Errorf("killed at %q: processes %v still run", test.at, left)
		}
		if mounts, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(mounts), s.dir) {
			t.Errorf("killed at %q: something is still mounted:\n%s", test.at, mounts)
		}
		s.holds(t, ".respin-*")
	}
	s.builds(t, kickstart)
	if left, _ := filepath.Glob(filepath.Join(s.cache, "tmp/*")); len(left) > 0 {
		t.Errorf("the cache has %q", left)
	}
}

func killOuter(outer int) { syscall.Kill(outer, syscall.SIGKILL) }
func killGroup(outer int) { syscall.Kill(-outer, syscall.SIGKILL) }
func killInner(outer int) {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(outer) + "/task/*/children") // a list for each thread
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, c := range strings.Fields(string(children)) {
			pid, _ := strconv.Atoi(c)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// An interrupt ends a build at once, and it clears up itself.
func TestInterrupted(t *testing.T) {
	s := newSession(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := s.command(t, kickstart+"%post\nsleep 1000\n%end\n")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.reaches(t, "running %post")
		if signal == syscall.SIGINT {
			syscall.Kill(-cmd.Process.Pid, signal) // the terminal sends it to all
		} else {
			cmd.Process.Signal(signal)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 1 || said.String() != "img-build: interrupted\n" {
			t.Errorf("%v: exit code %d, %s", signal, code, &said)
		}
		s.holds(t, "")
	}
}

// Two builds at once share one cache, which was empty.
func TestTwoAtOnce(t *testing.T) {
	s := newSession(t)
	other := &session{tiny: s.tiny, dir: t.TempDir(), cache: s.cache}
	var first, second bytes.Buffer
	a, b := s.command(t, kickstart), other.command(t, kickstart)
	a.Stderr, b.Stderr = &first, &second
	for _, cmd := range []*exec.Cmd{a, b} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Wait(); err != nil {
		t.Errorf("the first: %v: %s", err, &first)
	}
	if err := b.Wait(); err != nil {
		t.Errorf("the second: %v: %s", err, &second)
	}
	const disk = "tiny-43-0.x86_64/tiny-43-0.x86_64.raw"
	one, err1 := os.ReadFile(filepath.Join(s.out(), disk))
	two, err2 := os.ReadFile(filepath.Join(other.out(), disk))
	if err1 != nil || err2 != nil || !bytes.Equal(one, two) {
		t.Errorf("the disks are not the same: %v, %v", err1, err2)
	}
	if made, _ := filepath.Glob(filepath.Join(s.cache, "entries/buildroot/*")); len(made) != 1 {
		t.Errorf("the buildroot was made as %q", made)
	}
}

// An ordinary user who may not have namespaces, or has no ids, is told what to do.
func TestForbidden(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIP: only root can become a user who may not")
	}
	program, err := exec.LookPath("img-build")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "respin-forbidden-") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "img-build"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	const uid = 54321
	for name, test := range map[string]struct{ before, want string }{
		"no namespaces": {"echo 0 > /proc/sys/user/max_user_namespaces &&", "img-build: making a namespace to build in: "},
		"no ids":        {"", "img-build: building as an ordinary user takes a range of ids: "},
	} {
		t.Run(name, func(t *testing.T) {
			if test.before == "" && os.Getenv("CI") != "" {
				t.Skip("SKIP: CI machines may restrict user namespaces before ids are asked for")
			}
			cmd := exec.Command("sh", "-c", test.before+` exec setpriv --reuid=54321 --regid=54321 --clear-groups "$0/img-build"`, dir)
			cmd.Dir = dir
			// The limit is the new namespace's own; it ends with it.
			maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: uid, HostID: uid, Size: 1}}
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: maps, GidMappings: maps, GidMappingsEnableSetgroups: true}
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.HasPrefix(string(out), test.want) || !strings.Contains(string(out), "run it with sudo") {
				t.Errorf("%v: %s", err, out)
			}
			clitest.Documented(t, string(out))
		})
	}
}
