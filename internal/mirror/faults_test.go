package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/faults"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/mirror/mirrortest"
	"golang.org/x/sys/unix"
)

// A file that is not what the manifest says goes nowhere.
func TestChangedArtifact(t *testing.T) {
	for _, name := range []string{"folder", "rsync", "s3"} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			m := image(t, "cloud", "1", "a")
			file := m.Path("cloud-43-1.x86_64.qcow2")
			text, _ := os.ReadFile(file)
			text[0]++
			os.WriteFile(file, text, 0o644)
			_, err := job(t, k.open(t), m).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "its SHA-256 is") {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(k.dir, "fullfiletimelist")); err == nil {
				t.Error("pointers were published")
			}
		})
	}
}

// A way that breaks leads to the same state.
func TestBadWays(t *testing.T) {
	want := filepath.Join(t.TempDir(), "want")
	m := image(t, "cloud", "1", "a")
	run(t, job(t, open(t, want), m))
	t.Run("rsync, reset", func(t *testing.T) {
		dir := t.TempDir()
		way, resets := faults.Reset(t, mirrortest.Rsync(t, dir), 40_000, 3)
		for i := 0; resets.Load() < 3 && i < 40; i++ {
			os.RemoveAll(filepath.Join(dir, "x"))
			if _, err := job(t, open(t, "rsync://"+way+"/pub/x"), m).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(snapshot(t, want), snapshot(t, filepath.Join(dir, "x"))); diff != "" || resets.Load() == 0 {
			t.Errorf("%d resets (-want +got):\n%s", resets.Load(), diff)
		}
	})
	for name, way := range map[string]func(host string) string{
		"s3, reset": func(host string) string { h, _ := faults.Reset(t, host, 20_000, 5); return h },
		"s3, storm": func(host string) string { h, _ := faults.Storm(t, host, 0.4, 5); return h },
		"s3, damaged": func(host string) string {
			var damaged atomic.Int64
			return faults.Handler(t, host, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut && damaged.Add(1)%3 == 1 {
					r.Body = faults.Corrupt(r.Body)
				}
				return false
			}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "bucket"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_ENDPOINT_URL", "http://"+way(mirrortest.S3(t, dir)))
			run(t, job(t, open(t, "s3://bucket"), m))
			if diff := cmp.Diff(snapshot(t, want), snapshot(t, filepath.Join(dir, "bucket"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("s3, always damaged", func(t *testing.T) {
		dir := t.TempDir()
		os.Mkdir(filepath.Join(dir, "bucket"), 0o755)
		t.Setenv("AWS_ENDPOINT_URL", "http://"+faults.Handler(t, mirrortest.S3(t, dir), func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				r.Body = faults.Corrupt(r.Body)
			}
			return false
		}, nil))
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		if _, err := job(t, open(t, "s3://bucket"), m).Run(ctx); err == nil || len(snapshot(t, filepath.Join(dir, "bucket"))) != 0 {
			t.Errorf("%v, %v", err, snapshot(t, filepath.Join(dir, "bucket")))
		}
	})
	t.Run("s3, read damaged", func(t *testing.T) {
		dir := t.TempDir()
		os.Mkdir(filepath.Join(dir, "bucket"), 0o755)
		host := mirrortest.S3(t, dir)
		t.Setenv("AWS_ENDPOINT_URL", "http://"+host)
		run(t, job(t, open(t, "s3://bucket"), m))
		t.Setenv("AWS_ENDPOINT_URL", "http://"+faults.Handler(t, host, nil, func(r *http.Response) error {
			if r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, ".qcow2") {
				r.Body = faults.Corrupt(r.Body)
			}
			return nil
		}))
		problems, _, err := job(t, open(t, "s3://bucket"), m).Check(t.Context())
		if err == nil && (len(problems) != 1 || !strings.HasSuffix(problems[0].Path, ".qcow2")) {
			t.Errorf("%v", problems)
		}
	})
}

// A full destination is an error, and with room the next run goes on.
func TestFull(t *testing.T) {
	for _, name := range []string{"folder", "rsync"} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			if err := os.Mkdir(k.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("tmpfs", k.dir, "tmpfs", 0, "size=64k"); err != nil {
				t.Skipf("SKIP: no tmpfs can be mounted here: %v", err)
			}
			t.Cleanup(func() { unix.Unmount(k.dir, unix.MNT_DETACH) })
			m := image(t, "cloud", "1", strings.Repeat("large", 10))
			d := k.open(t)
			_, err := job(t, d, m).Run(t.Context())
			d.Close()
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), "no space") && !strings.Contains(err.Error(), "rsync ended with") {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(k.dir, "fullfiletimelist")); err == nil {
				t.Error("pointers were published")
			}
			if err := unix.Mount("tmpfs", k.dir, "tmpfs", unix.MS_REMOUNT, "size=1m"); err != nil {
				t.Fatal(err)
			}
			run(t, job(t, k.open(t), m))
			if problems, _, err := job(t, k.open(t), m).Check(t.Context()); err != nil || len(problems) != 0 {
				t.Error(problems, err)
			}
		})
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if err := first.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Lock(); err == nil {
		t.Error("two runs at the same time")
	}
	first.Close()
	second := open(t, dir)
	if err := second.Lock(); err != nil {
		t.Error(err)
	}
}

// Where nothing keeps others out, runs at the same time add to what the others
// publish, and none loses what another did.
func TestAtTheSameTime(t *testing.T) {
	const runs = 3
	for name, rounds := range map[string]int{"rsync": 2, "ssh": 1, "s3": 5} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			var last []*manifest.Manifest
			for round := range rounds {
				last = nil
				var work sync.WaitGroup
				errs := make([]error, runs)
				for n := range runs {
					m := image(t, fmt.Sprint("cloud-", n), fmt.Sprint(round), fmt.Sprint(n, round))
					last = append(last, m)
					j := job(t, k.open(t), m)
					work.Go(func() {
						time.Sleep(time.Duration(rand.Int64N(int64(100 * time.Millisecond))))
						_, errs[n] = j.Run(t.Context())
					})
				}
				work.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if problems, files, err := job(t, k.open(t)).Check(t.Context()); err != nil || len(problems) != 0 || files != 3*runs+3+runs {
					t.Fatalf("round %d: %v, %d files, %v", round, problems, files, err)
				}
			}
			fresh := filepath.Join(t.TempDir(), "x")
			run(t, job(t, open(t, fresh), last...))
			if diff := cmp.Diff(snapshot(t, fresh), snapshot(t, k.dir)); diff != "" {
				t.Errorf("differs from what one run makes (-want +got):\n%s", diff)
			}
		})
	}
}

// A state that another run wrote is not lost, and told.
func TestSwap(t *testing.T) {
	for _, name := range []string{"rsync", "s3"} {
		t.Run(name, func(t *testing.T) {
			k := kinds4(t, name)
			state := func(text string) File { return generated(StateFile, []byte(text), then, checksums) }
			swap := func(d Destination, old []byte, text, want string) {
				t.Helper()
				if theirs, err := d.Swap(t.Context(), old, state(text)); err != nil || string(theirs) != want {
					t.Errorf("%q, %v, want %q", theirs, err, want)
				}
			}
			read := func(d Destination, want string) []byte {
				t.Helper()
				text, err := d.Read(t.Context(), StateFile)
				if err != nil || string(text) != want {
					t.Errorf("%q, %v, want %q", text, err, want)
				}
				return text
			}
			a, b := k.open(t), k.open(t)
			for _, d := range []Destination{a, b} {
				if _, err := d.Read(t.Context(), StateFile); !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
			}
			swap(a, nil, "a1", "")
			swap(b, nil, "b1", "a1")
			text := read(b, "a1")
			swap(b, text, "b2", "")
			swap(a, []byte("a1"), "a2", "b2")
			text = read(a, "b2")
			swap(a, text, "a3", "")
			read(b, "a3")
		})
	}
}

// Large objects go in parts.
func TestParts(t *testing.T) {
	k := kinds4(t, "s3")
	from := t.TempDir()
	f, err := os.Create(filepath.Join(from, "large"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("somewhere"), onePart+5)
	f.Truncate(2*onePart + 1)
	f.Close()
	for i := range 2 {
		files, err := Folder(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, &Job{Destination: k.open(t), IsTree: true, Tree: files, Now: then})
		if r.Sent != 1-i {
			t.Errorf("run %d: %+v", i, r)
		}
	}
	if diff := cmp.Diff(snapshot(t, from), snapshot(t, k.dir)); diff != "" {
		t.Error(diff)
	}
}
