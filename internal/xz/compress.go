package xz

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/memfd"
	"github.com/ulikunitz/xz/lzma"
)

// A Compressor appends to dst what LZMA2 makes of data, with the parameters
// that a block's header tells.
type Compressor func(ctx context.Context, dst []byte, data io.Reader) ([]byte, error)

const (
	dictSize     = 8 << 20 // of the preset -6, bytes
	dictProperty = 22      // how a block's header says so

	// The preset -6 follows up to 48 links of its search tree at each byte, for
	// matches of 64 bytes, and nearly all of them miss the processor's caches.
	// The first six find almost all that is worth finding: with them, and
	// with matches of 32 bytes, a root file system takes less than two thirds
	// of the time, and 2.8 % more room.
	lzma2 = "--lzma2=preset=6,nice=32,depth=6"

	// The tree takes 64 MiB, which are read all over: with large pages that
	// takes an eighth less time. C libraries that do not know this ignore it.
	largePages = "glibc.malloc.hugetlb=1"
)

// Find returns the best compressor there is and what it is called.
func Find(ctx context.Context) (Compressor, string) {
	path, name := findProgram(ctx)
	if path == "" {
		return pureGo, name
	}
	return program(path), name
}

// findProgram returns the path of XZ Utils, empty if they are not there, and
// the name of what is used.
func findProgram(ctx context.Context) (path, name string) {
	path, err := exec.LookPath("xz")
	if err != nil {
		return "", "the Go package ulikunitz/xz, which is slower than xz, because that is not installed"
	}
	version, err := exec.CommandContext(ctx, path, "--version").Output()
	name, _, _ = strings.Cut(string(version), "\n")
	if err != nil || !strings.HasPrefix(name, "xz (XZ Utils)") {
		return "", fmt.Sprintf("the Go package ulikunitz/xz, which is slower than XZ Utils, because %s is something else", path)
	}
	return path, name
}

// environment is ours without what the user set for xz, which must not change the bytes.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "XZ_OPT=") || strings.HasPrefix(v, "XZ_DEFAULTS=")
	})
}

// tunables are the C library's that the user set, and large pages.
func tunables() string {
	const name = "GLIBC_TUNABLES"
	if set := os.Getenv(name); set != "" {
		return name + "=" + set + ":" + largePages
	}
	return name + "=" + largePages
}

// program compresses with XZ Utils. It reads and writes 8 KiB at a time: with
// pipes, each time would take the processor from it, and its caches with that.
func program(path string) Compressor {
	return func(ctx context.Context, dst []byte, data io.Reader) ([]byte, error) {
		in, err := memfd.New("xz-in", data)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		out, err := memfd.New("xz-out", new(bytes.Reader))
		if err != nil {
			return nil, err
		}
		defer out.Close()
		messages := new(strings.Builder)
		cmd := exec.CommandContext(ctx, path, "--format=raw", lzma2, "--threads=1", "--stdout", "--quiet", "-")
		cmd.Env = append(environment(), tunables())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, messages
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("running %s: %w: %s", path, err, strings.TrimSpace(messages.String()))
		}
		size, err := out.Seek(0, io.SeekEnd)
		if err != nil {
			return nil, err
		}
		begin := len(dst)
		dst = slices.Grow(dst, int(size))[:begin+int(size)]
		_, err = out.ReadAt(dst[begin:], 0)
		return dst, err
	}
}

// pureGo compresses with the Go package.
func pureGo(ctx context.Context, dst []byte, data io.Reader) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w, err := lzma.Writer2Config{DictCap: dictSize, Matcher: lzma.HashTable4}.NewWriter2(out)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 256<<10)
	for ctx.Err() == nil {
		n, err := data.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return nil, err
			}
		}
		if err == io.EOF {
			err := w.Close()
			return out.Bytes(), err
		} else if err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}
