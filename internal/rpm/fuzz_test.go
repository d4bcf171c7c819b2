package rpm

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

func fuzzPackages() [][]byte {
	files := []rpmtest.File{
		{Path: "/d", Mode: 0o040755},
		{Path: "/d/a", Data: "one", Inode: 2},
		{Path: "/d/b", Data: "one", Inode: 2},
		{Path: "/l", Mode: 0o120777, Link: "d"},
		{Path: "/l/c", Data: "two", Caps: "cap_kill=ep"},
	}
	var all [][]byte
	for _, p := range []rpmtest.Package{{}, {Files: files}, {Files: files, Stripped: true, OpenPGP: true, Key: rpmtest.NewKey(nil)}, {Files: files, Compression: "gzip", Legacy: true, Key: rpmtest.NewKey(nil)}} {
		all = append(all, p.Build())
	}
	return all
}

// FuzzPackage reads, verifies and unpacks packages from anywhere. None may
// panic, and nothing may appear beside the root.
func FuzzPackage(f *testing.F) {
	for _, data := range fuzzPackages() {
		f.Add(data)
	}
	keyring := &Keyring{}
	if err := keyring.Add(rpmtest.NewKey(nil).Public()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := Verify(bytes.NewReader(data), keyring); err == nil {
			t.Error("was signed by a key that nobody has")
		}
		p, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if name := p.NEVRA().FileName(); filepath.Base(name) != name {
			t.Errorf("name is %q", name)
		}
		files, _ := p.Files()
		for _, file := range files {
			if !filepath.IsAbs(file.Path) || strings.Contains(file.Path+"/", "/../") {
				t.Errorf("path is %q", file.Path)
			}
			capabilities(file.Caps)
		}
		outer := t.TempDir()
		root := filepath.Join(outer, "root")
		os.Mkdir(root, 0o755)
		p.Path = filepath.Join(outer, "package.rpm")
		os.WriteFile(p.Path, data, 0o644)
		Extract(context.Background(), root, []*Package{p}, Options{SkipDevices: true, Parallel: 1})
		if names, _ := filepath.Glob(filepath.Join(outer, "*")); len(names) != 2 {
			t.Errorf("there is %q", names)
		}
		removeAll(outer)
	})
}

// removeAll makes folders writable for the clean-up of the test.
func removeAll(dir string) {
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
}

func FuzzCPIO(f *testing.F) {
	for _, stripped := range []bool{false, true} {
		var archive []byte
		rpmtest.Package{Stripped: stripped, Files: []rpmtest.File{{Path: "/a", Data: "hello"}, {Path: "/b", Data: ""}},
			Archive: func(b []byte) []byte { archive = b; return b }}.Build()
		f.Add(archive)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newCPIOReader(bytes.NewReader(data))
		for {
			e, err := c.Next()
			if err != nil {
				return
			}
			if e.Index >= 0 {
				c.content(int64(e.Index % 16))
			}
			if n, err := io.Copy(io.Discard, c); n > int64(len(data)) || err != nil && e.Size == 0 {
				t.Fatalf("read %d of %d bytes: %v", n, len(data), err)
			}
		}
	})
}

// FuzzOpenPGP reads keys and signatures from anywhere.
func FuzzOpenPGP(f *testing.F) {
	key := rpmtest.NewKey(nil)
	f.Add(key.Public(), key.Sign(nil))
	f.Add([]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"), []byte("-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----"))
	f.Add([]byte{}, []byte{0x89, 0, 21, 3, 5, 0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 1, 8, 0, 0, 0, 8, 1})
	f.Fuzz(func(t *testing.T, keys, signature []byte) {
		var k Keyring
		k.Add(keys)
		for _, key := range k.Keys() {
			if n := len(key.Fingerprint); n != 40 && n != 64 {
				t.Errorf("fingerprint is %q", key.Fingerprint)
			}
			if err := new(Keyring).Add(key.Armored(), key.Fingerprint); err != nil {
				t.Errorf("armor changed the key: %v", err)
			}
		}
		k.VerifyDetached([]byte("data"), signature)
	})
}
