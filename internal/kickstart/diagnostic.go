package kickstart

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/respin-project/respin/internal/near"
	"github.com/respin-project/respin/internal/report"
)

// A Place is where something stands in the files that were read. Lines and
// columns count from 1, columns in characters; 0 is unknown.
type Place struct {
	File         string // path or URL
	Line, Column int
	From         *Place // the %include that brought File in; nil for the first file
}

func (p Place) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			s += fmt.Sprintf(":%d", p.Column)
		}
	}
	return s
}

// Chain returns the places of the %include lines that lead to p, the innermost first.
func (p Place) Chain() []Place {
	var chain []Place
	for from := p.From; from != nil; from = from.From {
		chain = append(chain, *from)
	}
	return chain
}

// A Diagnostic is one thing wrong with a kickstart, an error or a warning.
type Diagnostic struct {
	At      Place
	Message string // a lower-case phrase; it never quotes a password

	line int // of the flattened text, to sort by
}

// Error returns the place and the message, and how the file came to be included.
func (d *Diagnostic) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", d.At, d.Message)
	for i, from := range d.At.Chain() {
		if i == 0 {
			b.WriteString(" (included")
		}
		fmt.Fprintf(&b, " from %s:%d", from.File, from.Line)
	}
	if d.At.From != nil {
		b.WriteByte(')')
	}
	return b.String()
}

// Place is where a person can mend it.
func (d *Diagnostic) Place() report.Place {
	return report.Place{File: d.At.File, Line: d.At.Line, Column: d.At.Column}
}

// Bounds on what is kept of a hopeless input.
const (
	maxErrors   = 200
	maxWarnings = 1000
)

// findings collects the diagnostics of a run.
type findings struct {
	line     int // of the flattened text, that is being read
	errors   []*Diagnostic
	warnings []*Diagnostic
}

func (f *findings) fail(at Place, format string, args ...any) {
	if len(f.errors) < maxErrors {
		f.errors = append(f.errors, &Diagnostic{at, fmt.Sprintf(format, args...), f.line})
	} else if len(f.errors) == maxErrors {
		f.errors = append(f.errors, &Diagnostic{at, "there are more errors than these", math.MaxInt})
	}
}

func (f *findings) warn(at Place, format string, args ...any) {
	if len(f.warnings) < maxWarnings {
		f.warnings = append(f.warnings, &Diagnostic{at, fmt.Sprintf(format, args...), f.line})
	}
}

// sorted returns the errors, joined, and the warnings in the order of the text.
func (f *findings) sorted() (warnings []*Diagnostic, err error) {
	byLine := func(a, b *Diagnostic) int { return cmp.Compare(a.line, b.line) }
	slices.SortStableFunc(f.warnings, byLine)
	slices.SortStableFunc(f.errors, byLine)
	errs := make([]error, len(f.errors))
	for i, d := range f.errors {
		errs[i] = d
	}
	return f.warnings, errors.Join(errs...)
}

// meant is what to add to a message about an unknown name.
func meant(name string, candidates []string) string {
	if c, ok := near.Name(name, candidates); ok {
		return fmt.Sprintf(": did you mean %s?", c)
	}
	return ""
}
