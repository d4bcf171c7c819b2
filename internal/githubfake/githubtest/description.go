// Package githubtest serves the fake of GitHub to tests, with each request and
// answer held to GitHub's published description of its API, and with faults.
package githubtest

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/renameio/v2"
)

// GitHub's description of its API, as npm has it. The integrity is npm's own,
// of the package's archive.
const (
	npmPackage  = "@octokit/openapi@23.0.2"
	integrity   = "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
	member      = "package/generated/api.github.com.json"
	fetchWithin = 2 * time.Minute
)

// paths are the parts of the API that the fake has. The whole description
// takes seconds and hundreds of megabytes to load.
var paths = []string{
	"/repos/{owner}/{repo}",
	"/repos/{owner}/{repo}/git/ref/{ref}",
	"/repos/{owner}/{repo}/git/refs",
	"/repos/{owner}/{repo}/git/refs/{ref}",
	"/repos/{owner}/{repo}/git/commits",
	"/repos/{owner}/{repo}/git/commits/{commit_sha}",
	"/repos/{owner}/{repo}/git/trees",
	"/repos/{owner}/{repo}/git/trees/{tree_sha}",
	"/repos/{owner}/{repo}/git/blobs",
	"/repos/{owner}/{repo}/git/blobs/{file_sha}",
	"/repos/{owner}/{repo}/pulls",
	"/repos/{owner}/{repo}/pulls/{pull_number}",
	"/repos/{owner}/{repo}/issues/{issue_number}/labels",
	"/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}",
}

// described is the description of these paths, loaded once a process.
var described = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := fetched()
	if err != nil {
		return nil, missing{err}
	}
	if text, err = only(text, paths); err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(text)
})

// missing is that the description cannot be had here.
type missing struct{ error }

// description returns nil, and says so in the test's log, where the description cannot be had.
func description(t testing.TB) *openapi3.T {
	t.Helper()
	d, err := described()
	if _, ok := err.(missing); ok {
		t.Logf("SKIP: requests are not held to GitHub's description of its API, which is not here: %v", err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fetched returns the description's text, from the user's cache if it is there.
func fetched() ([]byte, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "respin-test", "github-openapi-23.0.2.json")
	if text, err := os.ReadFile(path); err == nil {
		return text, nil
	}
	temporary, err := os.MkdirTemp("", "github-openapi-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--fetch-retries=1", npmPackage)
	cmd.Dir = temporary
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("npm pack %s: %w", npmPackage, err)
	}
	text, err := extract(filepath.Join(temporary, filepath.Base(strings.TrimSpace(string(out)))))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return text, renameio.WriteFile(path, text, 0o644)
}

// extract verifies the archive and returns the description in it.
func extract(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, err
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != integrity {
		return nil, fmt.Errorf("%s has the integrity sha512-%s instead of sha512-%s", npmPackage, got, integrity)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for archive := tar.NewReader(unzipped); ; {
		h, err := archive.Next()
		if err != nil {
			return nil, fmt.Errorf("looking for %s in %s: %w", member, npmPackage, err)
		}
		if h.Name == member {
			return io.ReadAll(archive)
		}
	}
}

// only reduces a description to some paths and what they refer to.
func only(text []byte, paths []string) ([]byte, error) {
	var all struct {
		OpenAPI    string                                `json:"openapi"`
		Info       json.RawMessage                       `json:"info"`
		Paths      map[string]json.RawMessage            `json:"paths"`
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	kept, components := map[string]json.RawMessage{}, map[string]map[string]json.RawMessage{}
	var keep func(value any)
	keep = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, v := range value {
				keep(v)
			}
		case map[string]any:
			for key, v := range value {
				keep(v)
				to, ok := v.(string)
				kind, name, of := strings.Cut(strings.TrimPrefix(to, "#/components/"), "/")
				if key != "$ref" || !ok || !of || components[kind][name] != nil || all.Components[kind][name] == nil {
					continue
				}
				if components[kind] == nil {
					components[kind] = map[string]json.RawMessage{}
				}
				text := all.Components[kind][name]
				components[kind][name] = text
				var inside any
				if json.Unmarshal(text, &inside) == nil {
					keep(inside)
				}
			}
		}
	}
	for _, path := range paths {
		item, ok := all.Paths[path]
		if !ok {
			return nil, fmt.Errorf("the description has no %s", path)
		}
		kept[path] = item
		var inside any
		if err := json.Unmarshal(item, &inside); err != nil {
			return nil, err
		}
		keep(inside)
	}
	return json.Marshal(map[string]any{"openapi": all.OpenAPI, "info": all.Info, "paths": kept, "components": components})
}
