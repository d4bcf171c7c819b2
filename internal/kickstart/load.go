package kickstart

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/respin-project/respin/internal/hint"
)

// Bounds on what is read, so that a hostile file cannot fill the memory.
const (
	maxFile  = 4 << 20 // bytes of one file
	maxText  = 8 << 20 // bytes of the flattened text
	maxDepth = 32      // of includes within includes
	maxFiles = 1000    // inclusions, the same file counted each time
)

// A Loader reads kickstart files. Its zero value is ready to use.
type Loader struct {
	// Syntax is what the files are held against. If it is empty, #version= in
	// the first file decides, and where that is missing the newest Fedora.
	Syntax Syntax
	// Render turns the text of a file whose name ends in .tmpl into a
	// kickstart; without it such a file is an error.
	Render func(name string, text []byte) ([]byte, error)
	// Client fetches what is included by URL; nil is one with a time limit.
	Client *http.Client
}

// Load reads the kickstart at path and all that it includes. The errors it
// returns are joined, one *Diagnostic each where the fault lies in a file; what
// could be read is returned beside them.
func (l *Loader) Load(ctx context.Context, path string) (*Kickstart, error) {
	e := l.expansion(ctx)
	content, err := e.read(path)
	if err != nil {
		return nil, err
	}
	return e.parse(path, content)
}

// Parse reads a kickstart that does not stand in a file; name stands for it in
// messages, and the working folder for the one it lies in.
func (l *Loader) Parse(ctx context.Context, name string, text []byte) (*Kickstart, error) {
	e := l.expansion(ctx)
	content, err := e.keep(name, text)
	if err != nil {
		return nil, err
	}
	return e.parse(name, content)
}

// An expansion puts the included files in the place of their %include lines.
type expansion struct {
	*Loader
	findings
	ctx        context.Context
	files      map[string]string // content by path or URL
	sources    []Source
	lines      []line
	size       int
	inclusions int
	stack      []string // the files being read, the outermost first
	missing    []*missingInclude
	full       bool // a bound was reached; the rest is not read
}

// A missingInclude is an %include line whose file does not exist here.
type missingInclude struct {
	Include
	keep bool // it need not exist
	err  error
}

func (l *Loader) expansion(ctx context.Context) *expansion {
	return &expansion{Loader: l, ctx: ctx, files: map[string]string{}}
}

func (e *expansion) parse(path, content string) (*Kickstart, error) {
	k := &Kickstart{Path: path, Syntax: e.Syntax}
	if k.Syntax == "" {
		var err error
		if k.Syntax, err = versionOf(path, content); err != nil {
			return nil, err
		}
	}
	e.stack = []string{identity(path)}
	e.expand(path, content, nil)
	k.Sources = e.sources
	return parse(k, e.lines, e.findings, e.missing)
}

// versionOf returns the syntax that the first #version= line names.
func versionOf(path, content string) (Syntax, error) {
	n := 0
	for text := range strings.Lines(content) {
		n++
		name, ok := strings.CutPrefix(text, "#version=")
		if !ok {
			continue
		}
		syntax, err := ParseSyntax(strings.TrimSpace(name))
		if err == nil {
			return syntax, nil
		}
		d := &Diagnostic{Place{File: path, Line: n, Column: len("#version=") + 1}, err.Error()}
		return "", hint.Wrap(d, "%s", strings.Join(hint.Of(err), "; "))
	}
	return Newest(), nil
}

// expand appends the lines of a file, and of those it includes.
func (e *expansion) expand(path, content string, from *Place) {
	n := 0
	for text := range strings.Lines(content) {
		n++
		if e.full {
			return
		}
		at := Place{File: path, Line: n, From: from}
		if name, is := includeName(text); is {
			e.include(name, text, at)
			continue
		}
		e.append(text, at)
	}
}

func (e *expansion) append(text string, at Place) {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if e.size += len(text); e.size > maxText {
		e.stop(at, "the kickstart comes to more than %d MiB with what it includes", maxText>>20)
		return
	}
	e.lines = append(e.lines, line{text: text, place: at})
}

func (e *expansion) stop(at Place, format string, args ...any) {
	e.fail(at, format, args...)
	e.full = true
}

// includeName returns the file that a line includes, and whether it includes one.
func includeName(text string) (name string, is bool) {
	text = strings.TrimLeft(text, " \t")
	if !strings.HasPrefix(text, "%include") && !strings.HasPrefix(text, "%ksappend") {
		return "", false
	}
	words, _ := splitWords(text)
	if len(words) == 0 || words[0].text != "%include" && words[0].text != "%ksappend" {
		return "", false
	}
	if len(words) > 1 {
		name = words[1].text
	}
	return name, true
}

// include replaces an %include line by the file's lines.
func (e *expansion) include(name, text string, at Place) {
	at.Column = column(text, strings.IndexByte(text, '%'))
	if name == "" {
		e.fail(at, "%s needs the name of a file", strings.Fields(text)[0])
		return
	}
	path, err := e.resolve(name, at.File)
	var content string
	if err == nil {
		content, err = e.read(path)
	}
	if err != nil {
		e.missing = append(e.missing, &missingInclude{Include: Include{name, at}, err: err})
		at.Column = 0
		e.append(text, at)
		return
	}
	id := identity(path)
	if i := slices.Index(e.stack, id); i >= 0 {
		e.fail(at, "include cycle: %s includes itself%s", path, through(at, path))
		return
	}
	if e.inclusions++; e.inclusions > maxFiles {
		e.stop(at, "more than %d files are included", maxFiles)
		return
	}
	if len(e.stack) > maxDepth {
		e.stop(at, "files include each other more than %d deep", maxDepth)
		return
	}
	e.stack = append(e.stack, id)
	e.expand(path, content, &at)
	e.stack = e.stack[:len(e.stack)-1]
}

// through names the files between path and the line that includes it again.
func through(at Place, path string) string {
	var names []string
	for p := &at; p != nil && identity(p.File) != identity(path); p = p.From {
		names = append(names, p.File)
	}
	if len(names) == 0 {
		return ""
	}
	slices.Reverse(names)
	return " through " + strings.Join(names, " and ")
}

// resolve returns the path or URL that a name means in a file: relative to
// that file, else to the working folder, as pykickstart has it.
func (e *expansion) resolve(name, in string) (string, error) {
	if u, err := url.Parse(name); err == nil && u.Scheme != "" && strings.Contains(name, ":/") {
		switch u.Scheme {
		case "http", "https":
			return name, nil
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
		base, err := url.Parse(in)
		if err != nil {
			return "", err
		}
		to, err := base.Parse(name)
		if err != nil {
			return "", err
		}
		return to.String(), nil
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
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return "", err
	}
	return e.keep(path, data)
}

func (e *expansion) open(path string) (io.ReadCloser, error) { return os.Open(path) }

const fetchTimeout = 30 * time.Second

func (e *expansion) fetch(url string) (io.ReadCloser, error) {
	client := e.Client
	if client == nil {
		client = &http.Client{Timeout: fetchTimeout}
	}
	request, err := http.NewRequestWithContext(e.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("fetching %s: the server says %s", url, response.Status)
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
		var err error
		if data, err = e.Render(path, data); err != nil {
			return "", err
		}
	}
	content := strings.TrimPrefix(string(data), "\ufeff")
	if n := strings.IndexByte(content, 0); n >= 0 {
		return "", &Diagnostic{placeOf(path, content, n), "holds a NUL byte: is it a kickstart?"}
	}
	if !utf8.ValidString(content) {
		n := strings.IndexFunc(content, func(c rune) bool { return c == utf8.RuneError })
		return "", &Diagnostic{placeOf(path, content, n), "is not UTF-8 text"}
	}
	e.files[path] = content
	e.sources = append(e.sources, Source{path, digest})
	return content, nil
}

func placeOf(path, content string, offset int) Place {
	return Place{File: path, Line: strings.Count(content[:offset], "\n") + 1}
}
