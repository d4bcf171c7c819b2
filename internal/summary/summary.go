// Package summary lays out what a command did as a table that people read: in columns on a terminal, in Markdown in the step summary of GitHub Actions.
package summary

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/respin-project/respin/internal/markdown"
	"github.com/respin-project/respin/internal/report"
)

// A Table is filled by several goroutines and shown once.
type Table struct {
	Title   string
	Columns []string
	Address string // what the rows' addresses are, such as "console"
	Note    string // a line below it; may be empty

	mu   sync.Mutex
	rows []row
}

type row struct {
	address string
	cells   []string
}

// Add adds a row with a cell for each column, and where to find what it is
// about, which may be empty: a URL, or something else that people copy.
func (t *Table) Add(address string, cells ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, row{address, cells})
}

// Show writes the table to the report and to the step summary, unless it is empty.
func (t *Table) Show(r *report.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return
	}
	r.Printf("%s", t.text())
	r.Summary(t.markdown())
}

// Summarize writes the table to the step summary only, unless it is empty: for
// commands that say on the terminal what they do while they do it.
func (t *Table) Summarize(r *report.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) > 0 {
		r.Summary(t.markdown())
	}
}

// text has addresses on lines of their own: they are long, and in a column would break every row of the table.
func (t *Table) text() string {
	all := append([]row{{cells: t.Columns}}, t.rows...)
	widths := make([]int, len(t.Columns))
	for _, row := range all {
		for i, cell := range row.cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row.cells {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if row.address != "" {
			b.WriteString("  " + row.address + "\n")
		}
	}
	if t.Note != "" {
		b.WriteString(t.Note + "\n")
	}
	return b.String()
}

func (t *Table) markdown() string {
	columns := t.Columns
	addresses := slices.ContainsFunc(t.rows, func(r row) bool { return r.address != "" })
	if addresses {
		columns = append(slices.Clone(columns), t.Address)
	}
	var rows [][]string
	for _, r := range t.rows {
		var cells []string
		for _, cell := range r.cells {
			cells = append(cells, plain(cell))
		}
		if addresses {
			cells = append(cells, link(t.Address, r.address))
		}
		rows = append(rows, cells)
	}
	text := markdown.Table("### "+t.Title, columns, rows)
	if t.Note != "" {
		text += "\n" + plain(t.Note) + "\n"
	}
	return text
}

// plain leaves a cell as it is if nothing in it means anything in Markdown.
func plain(cell string) string {
	if strings.ContainsFunc(cell, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune(" .,;:/-+%()", c)
	}) || strings.Contains(cell, "://") {
		return markdown.Code(cell)
	}
	return cell
}

// link makes an address one to follow, if it is a URL that can stand in a table as it is.
func link(name, address string) string {
	if strings.HasPrefix(address, "https://") && !strings.ContainsAny(address, " ()<>|\\`\n") {
		return "[" + name + "](" + address + ")"
	}
	return markdown.Code(address)
}
