// Package summary lays out what a command did as a table that people read: in columns on a terminal, in Markdown in the step summary of GitHub Actions.
package summary

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/respin-project/respin/internal/report"
)

// A Table is filled by several goroutines and shown once.
type Table struct {
	Title   string
	Columns []string

	mu   sync.Mutex
	rows [][]string
}

// Add adds a row with a cell for each column.
func (t *Table) Add(cells ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, cells)
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

func (t *Table) text() string {
	all := append([][]string{t.Columns}, t.rows...)
	widths := make([]int, len(t.Columns))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

func (t *Table) markdown() string {
	escape := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n| %s |\n|%s\n", t.Title, strings.Join(t.Columns, " | "), strings.Repeat("---|", len(t.Columns)))
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = escape.Replace(cell)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

// Size is a number of bytes for people.
func Size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	v, i := float64(n), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// Time is a duration for people.
func Time(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
