package plan

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/respin-project/respin/internal/manifest"
)

// Save writes the manifest of a planned image to FOLDER/ID.json and, if its
// lock is what is to be built, that to FOLDER/ID.lock.json: what another
// machine needs besides the repository's files to build it.
func Save(folder string, m *manifest.Manifest) error {
	id := m.Image.ID()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("saving the plan of %s: %w", id, err)
	}
	var text bytes.Buffer
	if err := m.Write(&text); err != nil {
		return fmt.Errorf("saving the plan of %s: %w", id, err)
	}
	if err := renameio.WriteFile(filepath.Join(folder, id+".json"), text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("saving the plan of %s: %w", id, err)
	}
	if !m.Plan.Locked {
		return nil
	}
	lock, err := os.Open(m.Plan.Lock)
	if err != nil {
		return fmt.Errorf("saving the lock of %s: %w", id, err)
	}
	defer lock.Close()
	out, err := renameio.NewPendingFile(filepath.Join(folder, id+".lock.json"), renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("saving the lock of %s: %w", id, err)
	}
	defer out.Cleanup()
	if _, err := io.Copy(out, lock); err != nil {
		return fmt.Errorf("saving the lock of %s: %w", id, err)
	}
	return out.CloseAtomicallyReplace()
}
