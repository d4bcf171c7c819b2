package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/respin-project/respin/internal/hint"
)

// measure returns a file's size and digest, which must be want unless that is empty.
func measure(f *os.File, want string) (int64, v1.Hash, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, v1.Hash{}, err
	}
	if !st.Mode().IsRegular() {
		return 0, v1.Hash{}, fmt.Errorf("it is no regular file")
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, io.NewSectionReader(f, 0, st.Size()), make([]byte, 1<<20))
	if err != nil {
		return 0, v1.Hash{}, err
	}
	got := hex.EncodeToString(h.Sum(nil))
	if want != "" && got != want {
		return 0, v1.Hash{}, changed(got, want)
	}
	return n, v1.Hash{Algorithm: "sha256", Hex: got}, nil
}

func changed(got, want string) error {
	return hint.Wrap(fmt.Errorf("its SHA-256 is %s, and %s in the manifest", got, want), "the file was changed after it was made: convert and test it again")
}

// Verify holds a file against the SHA-256 (hex) that a manifest has of it.
func Verify(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, err := measure(f, want); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}
