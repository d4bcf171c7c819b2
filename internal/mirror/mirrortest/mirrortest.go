// Package mirrortest runs the servers that mirrors are made with, for tests:
// an rsync daemon, an SSH server, and an S3 server (versitygw, which checks
// signatures and checksums). Each keeps what it serves in a folder that the test can look into.
package mirrortest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// find returns a program, or skips the test.
func find(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if out, err := exec.Command("go", "env", "GOPATH").Output(); err == nil {
		path := filepath.Join(strings.TrimSpace(string(out)), "bin", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	t.Skipf("SKIP: %s is not installed", name)
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// serve runs a server until the test ends and waits until it answers.
func serve(t testing.TB, host string, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 300 {
		if c, err := net.Dial("tcp", host); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	t.Fatalf("%s does not answer:\n%s", cmd.Path, &log)
}

func freePort(t testing.TB) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return l.Addr().String(), port
}

// Rsync runs a daemon whose module pub is dir, and returns its host and port.
func Rsync(t testing.TB, dir string) string {
	t.Helper()
	program := find(t, "rsync")
	host, port := freePort(t)
	config := filepath.Join(t.TempDir(), "rsyncd.conf")
	owner := ""
	if os.Getuid() == 0 {
		owner = "uid = root\ngid = root\n"
	}
	text := fmt.Sprintf("use chroot = no\n%s[pub]\npath = %s\nread only = no\n", owner, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, host, exec.Command(program, "--daemon", "--no-detach", "--address=127.0.0.1", "--port="+port, "--config="+config))
	return host
}

// SSH runs an SSH server for the user who tests, and returns what RSYNC_RSH must be to reach it.
func SSH(t testing.TB) string {
	t.Helper()
	server := find(t, "sshd")
	find(t, "rsync")
	dir := t.TempDir()
	for _, key := range []string{"host", "user"} {
		if out, err := exec.Command(find(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where it separates its privileges
	}
	host, port := freePort(t)
	serve(t, host, exec.Command(server, "-D", "-e", "-f", "/dev/null", "-p", port, "-h", filepath.Join(dir, "host"),
		"-o", "ListenAddress=127.0.0.1", "-o", "AuthorizedKeysFile="+filepath.Join(dir, "user.pub"), "-o", "StrictModes=no",
		"-o", "PidFile=none", "-o", "SetEnv=SHLVL=9", "-o", "UsePAM=no", "-o", "PermitRootLogin=yes", "-o", "MaxStartups=100", "-o", "KexAlgorithms=curve25519-sha256"))
	// The level keeps bash from reading the tester's own .bashrc, which may take seconds.
	// One connection for all runs, as docs/publish.md advises. The path of its socket must be short.
	control, err := os.MkdirTemp("", "ssh")
	if err != nil {
		t.Fatal(err)
	}
	rsh := fmt.Sprintf("ssh -F /dev/null -p %s -i %s -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ControlPath=%s/s",
		port, filepath.Join(dir, "user"), control)
	t.Cleanup(func() {
		exec.Command("ssh", append(strings.Fields(rsh)[1:], "-O", "exit", "127.0.0.1")...).Run()
		os.RemoveAll(control)
	})
	return rsh + " -o ControlMaster=auto -o ControlPersist=20"
}

// S3 runs a server in which every folder of dir is a bucket, and returns its
// host and port. It sets the environment for its credentials; the endpoint is up to the test.
func S3(t testing.TB, dir string) string {
	t.Helper()
	program := find(t, "versitygw")
	host, _ := freePort(t)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "for-tests-only", "AWS_REGION": "us-east-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	serve(t, host, exec.Command(program, "--port", host, "--access", "tester", "--secret", "for-tests-only", "--quiet", "posix", dir))
	return host
}
