package compression

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestNewReader(t *testing.T) {
	text := strings.Repeat("all the world's a stage ", 10000)
	for _, command := range []string{"gzip", "bzip2", "xz", "xz --format=lzma", "zstd -q", "zstd -q --ultra -22", "cat"} {
		args := strings.Fields(command)
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Logf("SKIP: %s is not installed", args[0])
			continue
		}
		cmd := exec.Command(args[0], append(args[1:], "-")...)
		cmd.Stdin = strings.NewReader(text)
		data, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("%s: got %d bytes, %v", command, len(got), err)
		}
		r.Close()
		if args[0] == "cat" {
			continue
		}
		if r, err = NewReader(bytes.NewReader(data[:len(data)*2/3])); err == nil {
			_, err = io.ReadAll(r)
		}
		if err == nil {
			t.Errorf("%s: half of it was read without an error", command)
		}
	}
	for _, short := range []string{"", "a", "\x1f\x8b", "(\xb5/\xfd"} {
		r, err := NewReader(strings.NewReader(short))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if (err == nil) != (len(short) < 2) {
			t.Errorf("%q: %v", short, err)
		}
	}
}

// What asks for more memory than it can need is refused before it gets it.
func TestWindowIsBounded(t *testing.T) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(512<<20))
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for range 300 {
		w.Write(chunk)
	}
	w.Close()
	lzmaBomb := append([]byte{0x5d, 0, 0, 0, 0xc0}, make([]byte, 100)...)
	// A stream header and a block header of xz with a window of 4 GiB minus one.
	xzBomb := []byte("\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x28\x00\x00\x00\xe6\xa0\x11\xb3" + strings.Repeat("\x00", 50))
	for name, data := range map[string][]byte{"window": b.Bytes(), "dictionary": lzmaBomb, "exceeds max": xzBomb} { // what the errors speak of
		r, err := NewReader(bytes.NewReader(data))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error is %v, want one about a %s", err, name)
		}
	}
}
