package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/sandbox"
	"github.com/respin-project/respin/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

// root makes a tree with the host's own programs: its /usr, read-only.
func root(t *testing.T) *sandbox.Command {
	t.Helper()
	dir := t.TempDir()
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if _, err := os.Stat("/usr/" + link); err == nil {
			if err := os.Symlink("usr/"+link, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &sandbox.Command{Root: dir, Env: sandbox.Environment(), Mounts: []sandbox.Mount{{Source: "/usr", Target: "/usr", ReadOnly: true}}}
}

func shell(t *testing.T, c *sandbox.Command, script string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c.Args = []string{"sh", "-c", script}
	c.Stdout, c.Stderr = &out, &out
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := c.Run(ctx)
	return out.String(), err
}

func mustShell(t *testing.T, c *sandbox.Command, script string) string {
	t.Helper()
	out, err := shell(t, c, script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

func TestConfinement(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"own processes only":           {"ls /proc | grep -c '^[0-9]'", "4\n"},
		"no network":                   {"cat /proc/net/dev | grep -vc lo:", "2\n"},
		"host name":                    {"cat /proc/sys/kernel/hostname", "localhost\n"},
		"kernel settings locked":       {"echo x 2>/dev/null > /proc/sys/kernel/hostname || echo refused", "refused\n"},
		"sysrq hidden":                 {"echo h 2>/dev/null > /proc/sysrq-trigger || echo refused", "refused\n"},
		"sysfs read-only":              {"touch /sys/x 2>/dev/null || echo refused", "refused\n"},
		"no mounting":                  {"mount -t tmpfs x /tmp 2>/dev/null || echo refused", "refused\n"},
		"devices":                      {"ls /dev | tr '\\n' ' '", "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero "},
		"devices in the tree are shut": {"mknod /null c 1 3 2>/dev/null; cat /null 2>/dev/null || echo refused", "refused\n"},
		"command line hidden":          {"cat /proc/cmdline", ""},
		"owners":                       {"touch /f && chown 1234:65534 /f && stat -c %u:%g /f", "1234:65534\n"},
		"plain environment":            {"echo $HOME $LANG ${PWD}", "/root C.UTF-8 /\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mustShell(t, root(t), tt.script); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExitCodeAndSignal(t *testing.T) {
	_, err := shell(t, root(t), "exit 7")
	var exit *sandbox.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 {
		t.Errorf("error is %v, want exit code 7", err)
	}
	_, err = shell(t, root(t), "kill -9 $$")
	if !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL {
		t.Errorf("error is %v, want signal 9", err)
	}
	c := root(t)
	c.Args = []string{"no-such-program"}
	if err := c.Run(context.Background()); err == nil || !strings.Contains(err.Error(), `there is no program "no-such-program"`) {
		t.Errorf("error is %v", err)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	c := root(t)
	c.Timeout = 200 * time.Millisecond
	if _, err := shell(t, c, "sleep 100"); !errors.Is(err, sandbox.ErrTimeout) {
		t.Errorf("error is %v, want a timeout", err)
	}
	c = root(t)
	c.Args = []string{"sleep", "100"}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want cancelled", err)
	}
}

// A program that leaves a daemon behind ends all the same, and the daemon with it.
func TestLeftovers(t *testing.T) {
	begin := time.Now()
	out := mustShell(t, root(t), "setsid sleep 1000 >/dev/null 2>&1 & echo done")
	if out != "done\n" || time.Since(begin) > 30*time.Second {
		t.Errorf("got %q after %v", out, time.Since(begin))
	}
}

func TestMounts(t *testing.T) {
	shared := t.TempDir()
	c := root(t)
	c.Mounts = append(c.Mounts,
		sandbox.Mount{Source: shared, Target: "/shared"},
		sandbox.Mount{Source: shared, Target: "/locked", ReadOnly: true},
		sandbox.Mount{Target: "/small", Size: 1 << 20})
	out := mustShell(t, c, `echo hello > /shared/f; touch /locked/g 2>/dev/null || echo locked
		dd if=/dev/zero of=/small/f bs=64k 2>/dev/null || stat -c %s /small/f`)
	if want := "locked\n1048576\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if got, err := os.ReadFile(filepath.Join(shared, "f")); err != nil || string(got) != "hello\n" {
		t.Errorf("the shared file holds %q, %v", got, err)
	}
}

func TestReadOnlyRoot(t *testing.T) {
	c := root(t)
	c.ReadOnly = true
	c.Mounts = append(c.Mounts, sandbox.Mount{Target: "/var"})
	if out := mustShell(t, c, "touch /f 2>/dev/null || echo refused; touch /var/f /tmp/f && echo fine"); out != "refused\nfine\n" {
		t.Errorf("got %q", out)
	}
}

// A tree whose /tmp leads out of it must not have anything mounted or made there.
func TestMountPointEscapes(t *testing.T) {
	outside := t.TempDir()
	for _, to := range []string{outside, "../../../../../../../../../../" + outside} {
		c := root(t)
		if err := os.Symlink(to+"/made", filepath.Join(c.Root, "tmp")); err != nil {
			t.Fatal(err)
		}
		if out, err := shell(t, c, "true"); err == nil {
			t.Errorf("a /tmp that is a link to %q was accepted: %q", to, out)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("something was made outside: %v, %v", entries, err)
	}
}

func TestServe(t *testing.T) {
	c := root(t)
	c.Serve = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served "+r.URL.Path) })
	script := `exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET /a HTTP/1.0\r\n\r\n' >&3; tail -n1 <&3`
	c.Args = []string{"bash", "-c", script}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(context.Background()); err != nil || out.String() != "served /a" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestSyncIsSuppressed(t *testing.T) {
	if out := mustShell(t, root(t), "sync && sync -f / && echo ok"); out != "ok\n" {
		t.Errorf("got %q", out)
	}
}

func TestWorkspace(t *testing.T) {
	w, err := sandbox.NewWorkspace(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.Dir, "f")
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing more than fits: %v", err)
	}
	if err := w.Resize(4 << 20); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o644); err != nil {
		t.Error(err)
	}
	if err := os.Chown(file, 1234, 65534); err != nil {
		t.Error(err)
	}
	if err := syscall.Setxattr(file, "security.selinux", []byte("system_u:object_r:etc_t:s0"), 0); err != nil {
		t.Error(err)
	}
	if used, err := w.Used(); err != nil || used != 2<<20 {
		t.Errorf("%d bytes are used, %v", used, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if available, err := sandbox.AvailableMemory(); err != nil || available <= 0 {
		t.Errorf("%d bytes are available, %v", available, err)
	}
}
