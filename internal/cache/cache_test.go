package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func fill(t *testing.T, c *Cache, text string) string {
	t.Helper()
	path, err := c.Fill(context.Background(), SHA256([]byte(text)), int64(len(text)), func(p *Partial) error {
		_, err := p.Write([]byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// leftovers lists what is in the cache's folders for unfinished things.
func leftovers(t *testing.T, c *Cache) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"partial/*", "locks/*", "tmp/*/*"} {
		paths, _ := filepath.Glob(c.path(pattern))
		for _, p := range paths {
			if p != c.session.Name() {
				all = append(all, p)
			}
		}
	}
	return all
}

func TestDir(t *testing.T) {
	for _, test := range []struct{ respin, xdg, home, want string }{
		{"/a/b", "/x", "/h", "/a/b"},
		{"", "/x", "/h", "/x/respin"},
		{"", "relative", "/h", "/h/.cache/respin"},
		{"", "", "/h", "/h/.cache/respin"},
		{"", "", "", ""},
	} {
		env := map[string]string{"RESPIN_CACHE": test.respin, "XDG_CACHE_HOME": test.xdg, "HOME": test.home}
		got, err := Dir(func(k string) string { return env[k] })
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%+v: got %q, %v", test, got, err)
		}
	}
}

func TestDigests(t *testing.T) {
	for in, want := range map[string]string{
		"sha256:" + strings.Repeat("A", 64):  "",
		"SHA512:" + strings.Repeat("0", 128): "",
		"sha256:" + strings.Repeat("a", 63):  "is no sha256 checksum",
		"sha256:" + strings.Repeat("g", 64):  "is no sha256 checksum",
		"sha1:" + strings.Repeat("a", 40):    "too weak",
		"md5:" + strings.Repeat("a", 32):     "too weak",
		"crc:1":                              "not known",
		"abc":                                "is no digest",
	} {
		d, err := ParseDigest(in)
		if want == "" && (err != nil || d.String() != strings.ToLower(in)) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, %v, want %q", in, d, err, want)
		}
	}
}

func TestFillOnceAndFind(t *testing.T) {
	c := open(t, t.TempDir())
	path := fill(t, c, "hello")
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o444 {
		t.Errorf("blob is %v, %v", st, err)
	}
	again, err := c.Fill(context.Background(), SHA256([]byte("hello")), -1, func(*Partial) error {
		return errors.New("was filled a second time")
	})
	if err != nil || again != path {
		t.Errorf("got %q, %v", again, err)
	}
	if _, ok := c.Blob(SHA256([]byte("hello")), 4); ok {
		t.Error("a blob of another size was taken")
	}
	if _, ok := c.Blob(SHA256([]byte("hello")), 5); !ok {
		t.Error("a good blob was lost to a wrong size")
	}
	if left := leftovers(t, c); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestOtherAlgorithms(t *testing.T) {
	c := open(t, t.TempDir())
	for _, algorithm := range []string{"sha384", "sha512"} {
		h := Digest{Algorithm: algorithm}.New()
		h.Write([]byte("hello"))
		d, err := NewDigest(algorithm, fmt.Sprintf("%x", h.Sum(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Fill(context.Background(), d, 5, func(p *Partial) error { _, err := p.Write([]byte("hello")); return err }); err != nil {
			t.Error(err)
		}
		if err := c.Check(d); err != nil {
			t.Error(err)
		}
	}
}

func TestBadBlobsStayOut(t *testing.T) {
	c := open(t, t.TempDir())
	d := SHA256([]byte("hello"))
	for text, want := range map[string]error{"hellO": ErrBadDigest, "hell": ErrBadDigest, "": ErrBadDigest} {
		_, err := c.Fill(context.Background(), d, 5, func(p *Partial) error { _, err := p.Write([]byte(text)); return err })
		if !errors.Is(err, want) {
			t.Errorf("%q: error is %v", text, err)
		}
	}
	_, err := c.Fill(context.Background(), d, 5, func(p *Partial) error { _, err := p.Write([]byte("hello, world")); return err })
	if err == nil || !strings.Contains(err.Error(), "there are more than 5 bytes") {
		t.Errorf("error is %v", err)
	}
	if _, ok := c.Blob(d, 5); ok {
		t.Error("a bad blob got in")
	}
	if left := leftovers(t, c); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestFillContinues(t *testing.T) {
	dir := t.TempDir()
	d := SHA256([]byte("hello, world"))
	broken := errors.New("connection lost")
	c := open(t, dir)
	_, err := c.Fill(context.Background(), d, 12, func(p *Partial) error {
		p.Write([]byte("hello, "))
		p.SetNote("etag 1")
		return broken
	})
	if err != broken {
		t.Fatal(err)
	}
	c.Close()
	c = open(t, dir)
	_, err = c.Fill(context.Background(), d, 12, func(p *Partial) error {
		if p.Len() != 7 || p.Note() != "etag 1" {
			t.Errorf("found %d bytes, note %q", p.Len(), p.Note())
		}
		_, err := p.Write([]byte("world"))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if left := leftovers(t, c); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestCheckRemovesDamage(t *testing.T) {
	c := open(t, t.TempDir())
	path := fill(t, c, "hello")
	d := SHA256([]byte("hello"))
	if err := c.Check(d); err != nil {
		t.Error(err)
	}
	os.Chmod(path, 0o644)
	os.WriteFile(path, []byte("jello"), 0o644)
	if err := c.Check(d); !errors.Is(err, ErrBadDigest) {
		t.Errorf("error is %v", err)
	}
	if err := c.Check(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func TestMakeOnce(t *testing.T) {
	c := open(t, t.TempDir())
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			path, err := c.Make(context.Background(), "tree", Key("a", "b"), func(path string) error {
				made.Add(1)
				time.Sleep(20 * time.Millisecond)
				return os.Mkdir(path, 0o555)
			})
			if st, statErr := os.Stat(path); err != nil || statErr != nil || !st.IsDir() {
				t.Error(path, err, statErr)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("was made %d times", made.Load())
	}
	if left := leftovers(t, c); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestMakeFails(t *testing.T) {
	c := open(t, t.TempDir())
	broken := errors.New("no room")
	_, err := c.Make(context.Background(), "tree", "00", func(path string) error {
		os.MkdirAll(filepath.Join(path, "a"), 0o755)
		os.Chmod(path, 0o555)
		return broken
	})
	if err != broken {
		t.Error(err)
	}
	if _, ok := c.Entry("tree", "00"); ok {
		t.Error("half an entry got in")
	}
	if _, err := c.Make(context.Background(), "tree", "00", func(string) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("making nothing: %v", err)
	}
	if _, err := c.Make(context.Background(), "tree", "../x", func(string) error { return nil }); err == nil {
		t.Error("a path was taken for a key")
	}
	if left := leftovers(t, c); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestMakeIsCancelledWhileItWaits(t *testing.T) {
	c := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	_, err := c.Make(context.Background(), "tree", "00", func(path string) error {
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := c.Make(ctx, "tree", "00", func(string) error { return errors.New("made twice") })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		return os.WriteFile(path, nil, 0o644)
	})
	if err != nil {
		t.Error(err)
	}
}

// An entry that was not on the disk yet when the machine went down is made anew.
func TestEntryAfterPowerFailure(t *testing.T) {
	c := open(t, t.TempDir())
	do := func() error {
		_, err := c.Make(context.Background(), "tree", "00", func(path string) error { return os.WriteFile(path, nil, 0o644) })
		c.syncing.Wait()
		return err
	}
	if err := do(); err != nil {
		t.Fatal(err)
	}
	dir := c.path("entries", "tree", "00")
	os.WriteFile(filepath.Join(dir, "boot"), []byte("another"), 0o644)
	if _, ok := c.Entry("tree", "00"); !ok {
		t.Error("a durable entry was lost")
	}
	os.Remove(filepath.Join(dir, "durable"))
	if _, ok := c.Entry("tree", "00"); ok {
		t.Error("an entry that may be damaged was taken")
	}
	if err := do(); err != nil {
		t.Error(err)
	}
	if _, ok := c.Entry("tree", "00"); !ok {
		t.Error("it was not made anew")
	}
}

func TestNotes(t *testing.T) {
	c := open(t, t.TempDir())
	if _, _, err := c.Note("repomd", "00"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	for _, text := range []string{"one\ntwo", "", "three"} {
		if err := c.SetNote("repomd", "00", []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, at, err := c.Note("repomd", "00")
		if err != nil || string(got) != text || time.Since(at) > time.Minute {
			t.Errorf("got %q, %v, %v", got, at, err)
		}
	}
	path := c.path("notes", "repomd", "00")
	text, _ := os.ReadFile(path)
	os.WriteFile(path, text[:len(text)-1], 0o644)
	if _, _, err := c.Note("repomd", "00"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a cut note gives %v", err)
	}
}

// age makes everything in the cache look as if it was last used that long ago.
func age(c *Cache, d time.Duration) {
	for _, pattern := range []string{"blobs/*/*/*", "entries/*/*", "notes/*/*", "partial/*"} {
		paths, _ := filepath.Glob(c.path(pattern))
		for _, p := range paths {
			os.Chtimes(p, time.Now().Add(-d), time.Now().Add(-d))
		}
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	old, kept := fill(t, c, strings.Repeat("old", 5000)), fill(t, c, strings.Repeat("kept", 5000))
	tree, err := c.Make(context.Background(), "tree", "00", func(path string) error {
		os.MkdirAll(filepath.Join(path, "a", "b"), 0o755)
		os.WriteFile(filepath.Join(path, "a", "f"), bytes.Repeat([]byte{1}, 9000), 0o644)
		return os.Chmod(filepath.Join(path, "a"), 0o555)
	})
	if err != nil {
		t.Fatal(err)
	}
	c.syncing.Wait()
	c.SetNote("n", "00", []byte("x"))
	broken := errors.New("broken")
	c.Fill(context.Background(), SHA256([]byte("never")), -1, func(p *Partial) error { p.Write([]byte("nev")); p.SetNote("x"); return broken })
	age(c, 48*time.Hour)

	// What an open cache uses stays, also when another one prunes.
	user := open(t, dir)
	if _, ok := user.Blob(SHA256([]byte(strings.Repeat("kept", 5000))), -1); !ok {
		t.Fatal("blob is missing")
	}
	p, err := open(t, dir).Prune(context.Background(), Limits{Age: 24 * time.Hour})
	if err != nil || p.Removed != 4 || p.Left != 1 || p.RemovedBytes < 20000 {
		t.Errorf("pruned %+v, %v", p, err)
	}
	for _, path := range []string{old, tree} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if _, err := os.Lstat(kept); err != nil {
		t.Error(err)
	}
	if left := leftovers(t, c); len(left) > 2 { // the sessions' own locks
		t.Errorf("left over: %q", left)
	}
}

func TestPruneBySize(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	for i := range 5 {
		path := fill(t, c, strings.Repeat(fmt.Sprint(i), 100<<10))
		then := time.Now().Add(-time.Duration(10-i) * time.Hour)
		os.Chtimes(path, then, then)
	}
	p, err := open(t, dir).Prune(context.Background(), Limits{Size: 250 << 10})
	if err != nil || p.Removed != 3 || p.Left != 2 || p.LeftBytes > 250<<10 {
		t.Errorf("pruned %+v, %v", p, err)
	}
	for i := range 5 {
		if _, ok := c.Blob(SHA256([]byte(strings.Repeat(fmt.Sprint(i), 100<<10))), -1); ok != (i >= 3) {
			t.Errorf("blob %d: %v", i, ok)
		}
	}
}

// What a killed build left mounted is not followed when its leftovers are removed.
func TestRemoveStopsAtMounts(t *testing.T) {
	host, dir := t.TempDir(), t.TempDir()
	os.WriteFile(filepath.Join(host, "precious"), nil, 0o644)
	at := filepath.Join(dir, "tmp", "dead", "with a blank")
	os.MkdirAll(at, 0o755)
	if err := syscall.Mount(host, at, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("SKIP: nothing can be mounted here: %v", err)
	}
	defer syscall.Unmount(at, syscall.MNT_DETACH)
	open(t, dir)
	if err := removeAll(filepath.Join(dir, "tmp", "dead")); err == nil || !strings.Contains(err.Error(), "something is mounted at "+at) {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(host, "precious")); err != nil {
		t.Error(err)
	}
	syscall.Unmount(at, 0)
	open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "tmp", "dead")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestFillOnlyOnceAtATime(t *testing.T) {
	dir := t.TempDir()
	var filled atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		c := open(t, dir)
		wg.Go(func() {
			path, err := c.Fill(context.Background(), SHA256([]byte("hello")), 5, func(p *Partial) error {
				filled.Add(1)
				time.Sleep(20 * time.Millisecond)
				_, err := p.Write([]byte("hello"))
				return err
			})
			if got, _ := os.ReadFile(path); err != nil || string(got) != "hello" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if filled.Load() != 1 {
		t.Errorf("was filled %d times", filled.Load())
	}
}

// TestMain lets the test binary be a second process that uses a cache.
func TestMain(m *testing.M) {
	dir := os.Getenv("CACHE_TEST_DIR")
	if dir == "" {
		os.Exit(m.Run())
	}
	c, err := Open(dir)
	if err != nil {
		panic(err)
	}
	_, err = c.Make(context.Background(), "tree", "00", func(path string) error {
		os.Mkdir(path, 0o755)
		os.WriteFile(filepath.Join(path, "half"), nil, 0o644)
		c.Fill(context.Background(), SHA256([]byte("hello")), 5, func(p *Partial) error {
			p.Write([]byte("he"))
			fmt.Println("ready")
			time.Sleep(time.Hour)
			return nil
		})
		return nil
	})
	panic(err)
}

// A process that is killed while it makes something leaves nothing under a
// final name, and nobody waits for it.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CACHE_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}

	c := open(t, dir)
	if left, _ := filepath.Glob(c.path("tmp", "*", "*", "data")); len(left) != 1 {
		t.Errorf("the other's temporary files are %q", left)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Make(ctx, "tree", "00", func(string) error { return errors.New("made twice") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("did not wait: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()

	if _, ok := c.Entry("tree", "00"); ok {
		t.Error("a half-made entry is there")
	}
	if _, err := c.Make(context.Background(), "tree", "00", func(path string) error { return os.WriteFile(path, nil, 0o644) }); err != nil {
		t.Error(err)
	}
	_, err = c.Fill(context.Background(), SHA256([]byte("hello")), 5, func(p *Partial) error {
		if p.Len() != 2 {
			t.Errorf("found %d bytes", p.Len())
		}
		_, err := p.Write([]byte("llo"))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	open(t, dir) // sweeps
	if left, _ := filepath.Glob(c.path("tmp", "*", "*", "data")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}
