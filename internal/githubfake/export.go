package githubfake

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"os"
	"path/filepath"
)

// Export writes the repository to a folder as a bare Git repository, with
// loose objects and references, so that git can clone it. What a former export
// left there is brought up to date.
func (s *Server) Export(folder string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	object := func(kind string, content []byte) string {
		sha := name(kind, content)
		if err == nil {
			err = writeObject(folder, sha, kind, content)
		}
		return sha
	}
	for _, text := range s.blobs {
		object("blob", text)
	}
	for _, t := range s.trees {
		t.put("", object)
	}
	for _, c := range s.commits {
		object("commit", c.text())
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(folder, "refs"))
	}
	files := map[string]string{"HEAD": "ref: refs/heads/" + s.base + "\n", "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"}
	for ref, sha := range s.refs {
		files[ref] = sha + "\n"
	}
	for file, text := range files {
		if err == nil {
			err = writeFile(filepath.Join(folder, file), []byte(text))
		}
	}
	if err != nil {
		return fmt.Errorf("exporting the repository: %w", err)
	}
	return nil
}

func writeObject(folder, sha, kind string, content []byte) error {
	path := filepath.Join(folder, "objects", sha[:2], sha[2:])
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	fmt.Fprintf(w, "%s %d\x00", kind, len(content))
	w.Write(content)
	if err := w.Close(); err != nil {
		return err
	}
	return writeFile(path, packed.Bytes())
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
