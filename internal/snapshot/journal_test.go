package snapshot

import (
	"os"
	"path/filepath"
	"testing"
)

// Whatever a journal holds, reading it neither fails nor invents anything: what
// was read reads the same once more.
func FuzzJournal(f *testing.F) {
	const key = "us-east-1 00 1"
	sum := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	f.Add([]byte(journalMagic + " " + key + "\nsnap-0 plain\n0 " + sum + "\n7 " + sum + "\ncompleted\n"))
	f.Add([]byte(journalMagic + " " + key + "\nsnap-0 encrypted\n-1 " + sum + "\n"))
	f.Add([]byte(journalMagic + " other\nsnap-0 plain\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := openJournal(path, key)
		if err != nil {
			t.Fatal(err)
		}
		first.close()
		second, err := openJournal(path, key)
		if err != nil {
			t.Fatal(err)
		}
		defer second.close()
		if first.snapshot != second.snapshot || first.completed != second.completed || first.encrypted != second.encrypted || len(first.blocks) != len(second.blocks) {
			t.Errorf("%+v, then %+v", first, second)
		}
		if first.snapshot == "" && (len(first.blocks) > 0 || first.completed) {
			t.Errorf("it has blocks of no snapshot: %+v", first)
		}
	})
}
