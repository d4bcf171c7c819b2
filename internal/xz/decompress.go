package xz

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/ulikunitz/xz/lzma"
)

// A decompressor returns a reader of what LZMA2 data, packed with a
// dictionary of dict bytes, unpack to.
type decompressor func(ctx context.Context, data io.Reader, dict uint32) (io.ReadCloser, error)

// findDecompressor returns the best one there is and what it is called.
func findDecompressor(ctx context.Context) (decompressor, string) {
	path, name := findProgram(ctx)
	if path == "" {
		return unpackPureGo, name
	}
	return func(ctx context.Context, data io.Reader, dict uint32) (io.ReadCloser, error) {
		return startProgram(ctx, path, data, dict)
	}, name
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

// environment is ours without what the user set for xz.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "XZ_OPT=") || strings.HasPrefix(v, "XZ_DEFAULTS=")
	})
}

func unpackPureGo(_ context.Context, data io.Reader, dict uint32) (io.ReadCloser, error) {
	r, err := lzma.Reader2Config{DictCap: int(dict)}.NewReader2(data)
	return io.NopCloser(r), err
}

// A process reads what a program writes.
type process struct {
	io.ReadCloser
	cmd      *exec.Cmd
	cancel   context.CancelFunc
	messages strings.Builder
	waited   bool
}

// startProgram runs XZ Utils.
func startProgram(ctx context.Context, path string, data io.Reader, dict uint32) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &process{cancel: cancel}
	p.cmd = exec.CommandContext(ctx, path, "--format=raw", fmt.Sprintf("--lzma2=dict=%d", dict), "--decompress", "--stdout", "--quiet", "-")
	p.cmd.Env = environment()
	p.cmd.Stdin, p.cmd.Stderr = data, &p.messages
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.ReadCloser, err = out, p.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("running %s: %w", path, err)
	}
	return p, nil
}

// Read ends without an error only if the program did.
func (p *process) Read(buf []byte) (int, error) {
	n, err := p.ReadCloser.Read(buf)
	if err == io.EOF && !p.waited {
		p.waited = true
		if failed := p.cmd.Wait(); failed != nil {
			return n, fmt.Errorf("xz: %w: %s", failed, strings.TrimSpace(p.messages.String()))
		}
	}
	return n, err
}

// Close ends the program.
func (p *process) Close() error {
	p.cancel()
	if !p.waited {
		p.waited = true
		p.cmd.Wait()
	}
	return nil
}
