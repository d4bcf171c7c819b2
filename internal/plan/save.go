package plan

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/pending"
)

// Save writes the manifest of a planned image to FOLDER/ID.json and, if its
// lock is what is to be built, that to FOLDER/ID.lock.json: what another
// machine needs besides the repository's files to build it.
func Save(folder string, m *manifest.Manifest) error {
	if err := save(filepath.Join(folder, m.Image.ID()), m); err != nil {
		return fmt.Errorf("saving the plan of %s: %w", m.Image.ID(), err)
	}
	return nil
}

func save(stem string, m *manifest.Manifest) error {
	if err := os.MkdirAll(filepath.Dir(stem), 0o755); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := m.Write(&text); err != nil {
		return err
	}
	if err := pending.WriteFile(stem+".json", text.Bytes(), 0o644); err != nil || !m.Plan.Locked {
		return err
	}
	lock, err := os.ReadFile(m.Plan.Lock)
	if err != nil {
		return err
	}
	return pending.WriteFile(stem+".lock.json", lock, 0o644)
}
