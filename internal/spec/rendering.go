package spec

import (
	"bytes"
	"fmt"
	"slices"
	"text/template"
	tree "text/template/parse"
)

// maxRendered bounds what a template may come to, in bytes.
const maxRendered = 4 << 20

// A rendering is what a template comes to. It knows the template's own text
// from what its actions write by where in memory it lies, for text/template
// writes the text of its nodes as it is.
type rendering struct {
	text   bytes.Buffer
	lineOf map[*byte]int // where the texts of the template begin
	lines  []int         // of the template, for each line of text
	placed bool          // the last of them is that of a text
	line   int           // of the template, where its text has got to
}

func newRendering(t *template.Template, source []byte) *rendering {
	r := &rendering{lineOf: map[*byte]int{}, lines: []int{1}, line: 1}
	var ends []int // of the lines
	for i, c := range source {
		if c == '\n' {
			ends = append(ends, i)
		}
	}
	for _, t := range t.Templates() {
		r.note(t.Root, ends)
	}
	return r
}

// note finds the texts within a node of the template.
func (r *rendering) note(node tree.Node, ends []int) {
	switch n := node.(type) {
	case *tree.TextNode:
		before, _ := slices.BinarySearch(ends, int(n.Pos))
		r.lineOf[&n.Text[0]] = before + 1
	case *tree.ListNode:
		if n != nil {
			for _, node := range n.Nodes {
				r.note(node, ends)
			}
		}
	case *tree.IfNode:
		r.note(n.List, ends)
		r.note(n.ElseList, ends)
	case *tree.RangeNode:
		r.note(n.List, ends)
		r.note(n.ElseList, ends)
	case *tree.WithNode:
		r.note(n.List, ends)
		r.note(n.ElseList, ends)
	}
}

// Write notes where each line comes from: where its first text stands, or if
// an action wrote all of it, where the text before it ended.
func (r *rendering) Write(p []byte) (int, error) {
	if r.text.Len()+len(p) > maxRendered {
		return 0, fmt.Errorf("the template comes to more than %d MiB", maxRendered>>20)
	}
	own := false
	if len(p) > 0 {
		if line, ok := r.lineOf[&p[0]]; ok {
			r.line, own = line, true
		}
	}
	for line := range bytes.Lines(p) {
		if own && !r.placed {
			r.lines[len(r.lines)-1], r.placed = r.line, true
		}
		if line[len(line)-1] != '\n' {
			continue
		}
		if own {
			r.line++
		}
		r.lines, r.placed = append(r.lines, r.line), false
	}
	return r.text.Write(p)
}
