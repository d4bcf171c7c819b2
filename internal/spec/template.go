package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"text/template"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/near"
)

// builtin are the variables that every template has.
func (t Target) builtin() map[string]any {
	return map[string]any{"name": t.Name, "summary": t.Summary, "release": t.Release.Version, "arch": t.Arch}
}

var (
	builtinNames    = slices.Sorted(maps.Keys(Target{Spec: &Spec{}}.builtin()))
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// vars checks the names of variables.
func (r *reading) vars(at string, vars map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		switch {
		case slices.Contains(builtinNames, name):
			r.fail(at+"."+name, "the variable %s is given already and cannot be set", name)
		case !variablePattern.MatchString(name):
			r.fail(at, "a variable cannot be called %q: letters, digits and _ only", name)
		case vars[name] == nil:
			r.fail(at+"."+name, "the variable %s has no value", name)
		}
	}
}

// variables returns what the templates of a target can use. Those given on
// the command line replace the spec's, the release's replace the others; one
// that the spec does not have is an error, unless there is no spec.
func (t Target) variables(given map[string]string) (map[string]any, error) {
	vars := t.builtin()
	maps.Copy(vars, t.Vars)
	maps.Copy(vars, t.Release.Vars)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		_, known := vars[name]
		switch {
		case slices.Contains(builtinNames, name):
			return nil, fmt.Errorf("the variable %s is given already and cannot be set", name)
		case !known && t.said != nil:
			err := fmt.Errorf("the spec of %s has no variable %q", t.Name, name)
			if meant, ok := near.Name(name, slices.Sorted(maps.Keys(vars))); ok {
				return nil, hint.Wrap(err, "did you mean %s?", meant)
			}
			return nil, hint.Wrap(err, "add it to vars in %s", FileName)
		}
		vars[name] = given[name]
	}
	return vars, nil
}

// renderer returns what turns the text of a template into a kickstart, as
// kickstart.Loader has it.
func renderer(vars map[string]any) func(name string, text []byte) ([]byte, []int, error) {
	return func(name string, text []byte) ([]byte, []int, error) {
		t, err := template.New(name).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return nil, nil, templateError(name, err, vars)
		}
		out := newRendering(t, text)
		if err := t.Execute(out, vars); err != nil {
			return nil, nil, templateError(name, err, vars)
		}
		return out.text.Bytes(), out.lines, nil
	}
}

var (
	errorPattern     = regexp.MustCompile(`(?s)^template: (.*?):(\d+)(?::(\d+))?: (.*)$`)
	executingPattern = regexp.MustCompile(`(?s)^executing ".*?" at (<.*?>): (.*)$`)
	missingPattern   = regexp.MustCompile(`map has no entry for key "([^"]*)"`)
)

// templateError gives an error of text/template its place in the file.
func templateError(name string, err error, vars map[string]any) error {
	m := errorPattern.FindStringSubmatch(err.Error())
	if m == nil || m[1] != name {
		return &kickstart.Diagnostic{At: kickstart.Place{File: name}, Message: err.Error()}
	}
	d := &kickstart.Diagnostic{At: kickstart.Place{File: name}, Message: m[4]}
	d.At.Line, _ = strconv.Atoi(m[2])
	if column, err := strconv.Atoi(m[3]); err == nil {
		d.At.Column = column + 1 // text/template counts from 0
	}
	if m := executingPattern.FindStringSubmatch(d.Message); m != nil {
		d.Message = fmt.Sprintf("%s in the template's %s", m[2], m[1])
	}
	if m := missingPattern.FindStringSubmatch(err.Error()); m != nil {
		d.Message = fmt.Sprintf("the template uses the variable %s, which is not set", m[1])
		if meant, ok := near.Name(m[1], slices.Sorted(maps.Keys(vars))); ok {
			d.Message += ": did you mean " + meant + "?"
		}
	}
	return d
}
