// Package ec2test is what tests of publishing to the fake of EC2 share.
package ec2test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/manifest"
)

// Secret is the secret of the access key, which must not be seen anywhere.
const Secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

// Start starts a fake and points the process's environment at it.
func Start(t testing.TB, o ec2fake.Options) *ec2fake.Server {
	t.Helper()
	s, environment := Serve(t, o)
	for name, value := range environment {
		t.Setenv(name, value)
	}
	return s
}

// Serve starts a fake and returns the environment of a command which shall find it.
func Serve(t testing.TB, o ec2fake.Options) (*ec2fake.Server, map[string]string) {
	t.Helper()
	if o.Keys == nil {
		o.Keys = map[string]ec2fake.Key{ec2fake.DefaultKey: {Secret: Secret}}
	}
	o.Folder = t.TempDir()
	s := ec2fake.New(o)
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		s.Close()
	})
	return s, Environment(web.URL)
}

// Environment is that of a command which shall find the fake at url and
// nothing of the machine's own configuration.
func Environment(url string) map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": ec2fake.DefaultKey, "AWS_SECRET_ACCESS_KEY": Secret, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CA_BUNDLE": "",
		"ACTIONS_ID_TOKEN_REQUEST_URL": "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "",
	}
}

// Disk is a disk of size bytes with holes of whole blocks in it.
func Disk(seed uint64, size int) []byte {
	disk := blocktest.Disk(seed, size)
	for at := ec2fake.BlockSize; at+ec2fake.BlockSize <= size; at += 5 * ec2fake.BlockSize {
		clear(disk[at : at+ec2fake.BlockSize])
	}
	return disk
}

// Image writes a raw disk into a folder, with holes for its zeros, and returns the manifest of the
// tested image.
func Image(t interface{ Fatalf(string, ...any) }, folder, name string, disk []byte) *manifest.Manifest {
	f, err := os.Create(filepath.Join(folder, "disk.raw"))
	if err != nil {
		t.Fatalf("making a disk: %v", err)
	}
	defer f.Close()
	zeros := make([]byte, 4096)
	for off := 0; off < len(disk); off += len(zeros) {
		page := disk[off:min(off+len(zeros), len(disk))]
		if bytes.Equal(page, zeros[:len(page)]) {
			continue
		}
		if _, err := f.WriteAt(page, int64(off)); err != nil {
			t.Fatalf("making a disk: %v", err)
		}
	}
	if err := f.Truncate(int64(len(disk))); err != nil {
		t.Fatalf("making a disk: %v", err)
	}
	digest := sha256.Sum256(disk)
	sum := hex.EncodeToString(digest[:])
	return &manifest.Manifest{
		Folder:    folder,
		Image:     manifest.Image{Name: name, Version: "43", Release: "1", Arch: "x86_64", Summary: "A test"},
		Artifacts: []manifest.Artifact{{Path: "disk.raw", Format: "raw", Size: int64(len(disk)), VirtualSize: int64(len(disk)), SHA256: sum}},
		Tests:     []manifest.Test{{Artifact: "disk.raw", SHA256: sum, Firmware: "uefi", Accelerator: "tcg", Machine: "test", Passed: true, Results: []manifest.Result{}}},
	}
}
