// Package registrytest runs the Distribution registry for tests: 2.8 from
// Debian's package docker-registry, and 3 where it is installed.
package registrytest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Start runs a registry that keeps its data in dir and returns its host and
// port. It ends with the test. Where there is none, the test is skipped.
func Start(t testing.TB, dir string) string {
	t.Helper()
	tool, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("SKIP: docker-registry is not installed")
	}
	return serve(t, tool, dir)
}

// Start3 runs Distribution 3, which keeps what it has of a chunk when the connection breaks.
// scripts/setup --slow installs it from its source, as Debian has version 2.8.
func Start3(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOPATH").Output()
	tool := filepath.Join(strings.TrimSpace(string(out)), "bin", "registry")
	if _, statErr := os.Stat(tool); err != nil || statErr != nil {
		t.Skip("SKIP: Distribution 3 is not installed: scripts/setup --slow does it")
	}
	return serve(t, tool, dir)
}

func serve(t testing.TB, tool, dir string) string {
	t.Helper()
	host := freePort(t)
	config := filepath.Join(t.TempDir(), "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: %q}\n", dir, host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(tool, "serve", config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 200 {
		if response, err := http.Get("http://" + host + "/v2/"); err == nil {
			response.Body.Close()
			return host
		}
		time.Sleep(20 * time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	t.Fatalf("the registry does not answer:\n%s", &log)
	return ""
}

func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
