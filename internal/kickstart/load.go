package kickstart

import (
	"cmp"
	"context"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/hint"
)

// Bounds on what is read, so that a hostile file cannot fill the memory.
const (
	maxFile  = 4 << 20 // bytes of one file
	maxText  = 4 << 20 // bytes of the flattened text
	maxDepth = 32      // of includes within includes
	maxFiles = 1000    // inclusions, the same file counted each time
)

// A Loader reads kickstart files. Its zero value is ready to use.
type Loader struct {
	// Syntax is what the files are held against. If it is empty, #version= in
	// the first file decides, and where that is missing Fallback, or the newest
	// Fedora if that is empty too.
	Syntax, Fallback Syntax
	// Render turns the text of a file whose name ends in .tmpl into a
	// kickstart; without it such a file is an error. It also says which line
	// of the file each of the kickstart's comes from.
	Render func(name string, text []byte) (rendered []byte, lines []int, err error)
	// Client fetches what is included by URL; nil is one with a time limit.
	Client *http.Client
}

// Load reads the kickstart at path and all that it includes. The errors it
// returns are joined, one *Diagnostic each where the fault lies in a file; what
// could be read is returned beside them.
func (l *Loader) Load(ctx context.Context, path string) (*Kickstart, error) {
	e := l.expansion(ctx)
	path = e.redact(path)
	content, err := e.read(path)
	if err != nil {
		return nil, err
	}
	return e.parse(path, content)
}

// Read reads a kickstart that does not stand in a file; name stands for it in
// messages, and the working folder for the one it lies in.
func (l *Loader) Read(ctx context.Context, name string, r io.Reader) (*Kickstart, error) {
	e := l.expansion(ctx)
	content, err := e.readFrom(name, r)
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
	rendered   map[string][]int  // the lines that those of a template come from
	secrets    map[string]string // URLs with their passwords, by what is shown of them
	sources    []Source
	lines      []line
	size       int
	inclusions int
	stack      []string // the files being read, the outermost first
	missing    []*missingInclude
	mentions   map[string]bool // whether a path was found elsewhere than behind %include
	full       bool            // a bound was reached; the rest is not read
}

// A missingInclude is an %include line whose file does not exist here.
type missingInclude struct {
	Include
	line int  // of the flattened text, where it stays
	keep bool // it need not exist
	err  error
}

func (l *Loader) expansion(ctx context.Context) *expansion {
	return &expansion{Loader: l, ctx: ctx, files: map[string]string{}, rendered: map[string][]int{}, mentions: map[string]bool{}}
}

func (e *expansion) parse(path, content string) (*Kickstart, error) {
	k := &Kickstart{Path: path, Syntax: e.Syntax}
	if k.Syntax == "" {
		declared, err := e.version(path, content)
		if err != nil {
			return nil, err
		}
		k.Syntax, k.Declared = cmp.Or(declared, e.Fallback, Newest()), declared != ""
	}
	e.stack = []string{identity(path)}
	e.expand(path, content, nil)
	k.Sources = e.sources
	return parse(k, e.lines, e.findings, e.missing)
}

// version returns the syntax that the first #version= line names, empty if there is none.
func (e *expansion) version(path, content string) (Syntax, error) {
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
		d := &Diagnostic{At: Place{File: path, Line: e.lineOf(path, n), Column: len("#version=") + 1}, Message: err.Error()}
		return "", hint.Wrap(d, "%s", strings.Join(hint.Of(err), "; "))
	}
	return "", nil
}

// expand appends the lines of a file, and of those it includes.
func (e *expansion) expand(path, content string, from *Place) {
	n := 0
	for text := range strings.Lines(content) {
		n++
		if e.full {
			return
		}
		at := Place{File: path, Line: e.lineOf(path, n), From: from}
		if name, is := includeName(text); is {
			e.include(name, text, at)
			continue
		}
		e.append(text, at)
	}
}

// lineOf returns where line n of a file's content stands in the file, which is
// elsewhere if the file is a template.
func (e *expansion) lineOf(path string, n int) int {
	if lines := e.rendered[path]; n <= len(lines) {
		return lines[n-1]
	}
	return n
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
	e.line = len(e.lines)
	if name == "" {
		e.fail(at, "%s needs the name of a file", strings.Fields(text)[0])
		return
	}
	if e.inclusions++; e.inclusions > maxFiles {
		e.stop(at, "more than %d files are included", maxFiles)
		return
	}
	path, err := e.resolve(name, at.File)
	var content string
	if err == nil && installTime(path) && e.written(path) {
		err = fs.ErrNotExist // what is there now is of another installation
	}
	if err == nil {
		content, err = e.read(path)
	}
	if err != nil {
		e.missing = append(e.missing, &missingInclude{Include: Include{e.redact(name), at}, line: len(e.lines), err: err})
		at.Column = 0
		e.append(text, at)
		return
	}
	id := identity(path)
	if i := slices.Index(e.stack, id); i >= 0 {
		e.fail(at, "include cycle: %s includes itself%s", path, through(at, path))
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

// written reports whether a file that was read so far mentions path other
// than to include it.
func (e *expansion) written(path string) bool {
	written, known := e.mentions[path]
	if known {
		return written
	}
	for _, content := range e.files {
		for rest := content; !written; {
			i := strings.Index(rest, path)
			if i < 0 {
				break
			}
			start := strings.LastIndexByte(rest[:i], '\n') + 1
			end := i + len(path)
			if n := strings.IndexByte(rest[end:], '\n'); n >= 0 {
				end += n
			}
			_, includes := includeName(rest[start:end])
			written, rest = !includes, rest[end:]
		}
	}
	e.mentions[path] = written
	return written
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
