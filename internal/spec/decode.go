package spec

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/near"
)

const maxSize = 1 << 20 // bytes of an image.yaml

// A reading is one image.yaml while it is checked. Errors carry the place of
// what they are about.
type reading struct {
	path   string
	folder string
	file   *ast.File
	errs   []error
}

// fail reports what is wrong with the value at a YAML path, such as "$.releases[0]".
func (r *reading) fail(at, format string, args ...any) {
	r.errs = append(r.errs, &kickstart.Diagnostic{At: r.place(at), Message: fmt.Sprintf(format, args...)})
}

// place finds a value, or the nearest one around it.
func (r *reading) place(at string) kickstart.Place {
	for ; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		path, err := yaml.PathString(at)
		if err != nil {
			continue
		}
		if node, err := path.FilterFile(r.file); err == nil && node != nil && node.GetToken() != nil {
			p := node.GetToken().Position
			return kickstart.Place{File: r.path, Line: p.Line, Column: p.Column}
		}
	}
	return kickstart.Place{File: r.path}
}

// parse reads the text of the spec at path and reports all that is wrong with it.
func parse(path string, data []byte) (*Spec, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s is longer than %d MiB", path, maxSize>>20)
	}
	r := &reading{path: path, folder: filepath.Dir(path)}
	d, err := r.decode(data)
	if err != nil {
		return nil, yamlError(path, err)
	}
	s := r.spec(d)
	return s, errors.Join(r.errs...)
}

// decode reads the YAML. The library panics at some malformed input, which is
// then an error.
func (r *reading) decode(data []byte) (d *document, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML library cannot make sense of it: %v", p)
		}
	}()
	if r.file, err = parser.ParseBytes(data, 0); err != nil {
		return nil, err
	}
	if len(r.file.Docs) == 0 || r.file.Docs[0].Body == nil {
		return nil, errors.New("is empty")
	}
	if len(r.file.Docs) > 1 {
		return nil, errors.New("holds more than one YAML document")
	}
	for _, alias := range ast.Filter(ast.AliasType, r.file.Docs[0]) {
		return nil, &yaml.SyntaxError{Message: "aliases are not supported: a few could stand for any amount of text", Token: alias.GetToken()}
	}
	d = new(document)
	return d, yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(d)
}

// yamlError gives an error of the YAML library its place in the file.
func yamlError(path string, err error) error {
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		return &kickstart.Diagnostic{At: kickstart.Place{File: path}, Message: err.Error()}
	}
	p := located.GetToken().Position
	d := &kickstart.Diagnostic{At: kickstart.Place{File: path, Line: p.Line, Column: p.Column}, Message: located.GetMessage()}
	if name, ok := strings.CutPrefix(d.Message, "unknown field "); ok {
		if meant, ok := near.Name(strings.Trim(name, `"`), fieldNames(reflect.TypeFor[document]())); ok {
			d.Message += ": did you mean " + meant + "?"
		}
	}
	return d
}

// fieldNames returns the names of all fields that a spec can have.
func fieldNames(t reflect.Type) []string {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for f := range t.Fields() {
		names = append(append(names, f.Tag.Get("yaml")), fieldNames(f.Type)...)
	}
	return names
}
