package tree

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadFile(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	dir := t.TempDir()
	for _, err := range []error{
		os.WriteFile(secret, []byte("of the host"), 0o600),
		os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o600),
		os.Symlink("file", filepath.Join(dir, "link")),
		os.Symlink(secret, filepath.Join(dir, "absolute")),
		os.Symlink("../"+filepath.Base(outside)+"/secret", filepath.Join(dir, "up")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.Mkdir(filepath.Join(dir, "folder"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"file":     "",
		"link":     "",
		"absolute": "escapes",
		"up":       "escapes",
		"pipe":     "/pipe is no regular file",
		"folder":   "/folder is no regular file",
		"missing":  "no such file",
	} {
		text, err := ReadFile(dir, name)
		switch {
		case want == "" && (err != nil || string(text) != "text"):
			t.Errorf("%s: %q, %v", name, text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %q, %v, which should say %q", name, text, err, want)
		}
	}
}
