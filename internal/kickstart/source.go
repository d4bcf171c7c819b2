package kickstart

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// resolve returns the path or URL that a name means in a file: relative to
// that file, else to the working folder, as pykickstart has it.
func (e *expansion) resolve(name, in string) (string, error) {
	if u, err := url.Parse(name); err == nil && u.Scheme != "" && strings.Contains(name, ":/") {
		switch u.Scheme {
		case "http", "https":
			return e.redact(name), nil
		case "file":
			name = u.Path
		default:
			return "", fmt.Errorf("cannot fetch %s URLs, only http, https and file", u.Scheme)
		}
	}
	if isURL(in) {
		if filepath.IsAbs(name) {
			return "", fmt.Errorf("a file from the network cannot include one of this machine")
		}
		base, err := url.Parse(e.secret(in))
		if err != nil {
			return "", err
		}
		to, err := base.Parse(name)
		if err != nil {
			return "", err
		}
		return e.redact(to.String()), nil
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name), nil
	}
	beside := filepath.Join(filepath.Dir(in), name)
	if _, err := os.Stat(beside); err != nil {
		if _, err := os.Stat(name); err == nil {
			return filepath.Clean(name), nil
		}
	}
	return beside, nil
}

// redact hides the password of a URL, for its name goes into messages and
// manifests; secret gives it back.
func (e *expansion) redact(name string) string {
	u, err := url.Parse(name)
	if err != nil || u.User == nil {
		return name
	}
	if e.secrets == nil {
		e.secrets = map[string]string{}
	}
	e.secrets[u.Redacted()] = name
	return u.Redacted()
}

func (e *expansion) secret(name string) string { return cmp.Or(e.secrets[name], name) }

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// identity tells whether two names mean the same file.
func identity(path string) string {
	if !isURL(path) {
		if abs, err := filepath.Abs(path); err == nil {
			return abs
		}
	}
	return path
}

// read returns the text of a file or URL, and records it as a source.
func (e *expansion) read(path string) (string, error) {
	if content, ok := e.files[path]; ok {
		return content, nil
	}
	open := e.open
	if isURL(path) {
		open = e.fetch
	}
	r, err := open(path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return e.readFrom(path, r)
}

func (e *expansion) readFrom(path string, r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	return e.keep(path, data)
}

func (e *expansion) open(path string) (io.ReadCloser, error) { return os.Open(path) }

const fetchTimeout = 30 * time.Second

func (e *expansion) fetch(address string) (io.ReadCloser, error) {
	client := e.Client
	if client == nil {
		client = &http.Client{Timeout: fetchTimeout}
	}
	request, err := http.NewRequestWithContext(e.ctx, http.MethodGet, e.secret(address), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return nil, e.Err // without the URL, which the caller names
	} else if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("fetching %s: the server says %s", address, response.Status)
	}
	return response.Body, nil
}

// keep checks the bytes of a file, renders them if they are a template, and
// records them as a source.
func (e *expansion) keep(path string, data []byte) (string, error) {
	if len(data) > maxFile {
		return "", fmt.Errorf("%s is longer than %d MiB", path, maxFile>>20)
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	if strings.HasSuffix(path, ".tmpl") {
		if e.Render == nil {
			return "", fmt.Errorf("%s is a template: it can only be rendered with a spec's variables", path)
		}
		rendered, lines, err := e.Render(path, data)
		if err != nil {
			return "", err
		}
		data, e.rendered[path] = rendered, lines
	}
	content := strings.TrimPrefix(string(data), "\ufeff")
	if n := strings.IndexByte(content, 0); n >= 0 {
		return "", &Diagnostic{At: e.placeOf(path, content, n), Message: "holds a NUL byte: is it a kickstart?"}
	}
	if !utf8.ValidString(content) {
		n := strings.IndexFunc(content, func(c rune) bool { return c == utf8.RuneError })
		return "", &Diagnostic{At: e.placeOf(path, content, n), Message: "is not UTF-8 text"}
	}
	e.files[path] = content
	e.sources = append(e.sources, Source{path, digest})
	return content, nil
}

func (e *expansion) placeOf(path, content string, offset int) Place {
	return Place{File: path, Line: e.lineOf(path, strings.Count(content[:offset], "\n")+1)}
}
