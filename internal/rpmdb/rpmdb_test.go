package rpmdb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The small database has an inner page, a row with overflow pages, and a hole in its numbers.
func TestCount(t *testing.T) {
	data, err := os.ReadFile("testdata/packages.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Count(bytes.NewReader(data)); n != 30 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// A database of the size and shape that a distribution's has.
func TestCountLarge(t *testing.T) {
	tool, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("SKIP: sqlite3 is not installed")
	}
	for _, rows := range []int{0, 1, 700} {
		path := filepath.Join(t.TempDir(), "rpmdb.sqlite")
		script := fmt.Sprintf(`CREATE TABLE 'Other' (a); CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d) INSERT INTO Packages SELECT i, randomblob(100+i*131%%30000) FROM n WHERE i<=%d;`, rows, rows)
		if out, err := exec.Command(tool, path, script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if n, err := Count(f); n != rows || err != nil {
			t.Errorf("got %d, %v, want %d", n, err, rows)
		}
	}
}

func TestDamaged(t *testing.T) {
	good, err := os.ReadFile("testdata/packages.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	loop := bytes.Clone(good)
	for i := 512; i+12 < len(loop); i += 512 {
		if loop[i] == interiorTable {
			loop[i+8], loop[i+9], loop[i+10], loop[i+11] = 0, 0, 0, byte(i/512+1) // its own child
		}
	}
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("what is this"), "cut": good[:700], "loop": loop,
	} {
		if n, err := Count(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: got %d", name, n)
		}
	}
}

func FuzzCount(f *testing.F) {
	good, err := os.ReadFile("testdata/packages.sqlite")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) { Count(bytes.NewReader(data)) })
}
