// Package markdown writes GitHub's Markdown from text that others wrote.
package markdown

import (
	"fmt"
	"strconv"
	"strings"
)

// Code is a text as a code span, in which nothing is a mention, a link or
// HTML, and which can stand in a table. What could end the span, the cell or
// the line, and what does not print, is written as Go does.
func Code(s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	var b strings.Builder
	b.WriteByte('`')
	for _, c := range strings.ReplaceAll(s, "##[", "## [") {
		switch {
		case c == '`' || c == '|' || c == '\\':
			fmt.Fprintf(&b, `\x%02x`, c)
		case !strconv.IsPrint(c):
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('`')
	return b.String()
}

// Table is a table with a heading, such as "## Tests"; empty if there are no
// rows. Cells are Markdown.
func Table(heading string, columns []string, rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n| %s |\n|%s\n", heading, strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}

// Cut shortens a text to at most so many bytes, at the end of a line and with
// a note of what was left out, which reads "… of N lines are left out" before more.
func Cut(text string, most int, more string) string {
	if len(text) <= most {
		return text
	}
	lines := strings.Count(text, "\n")
	note := func(left int) string {
		return fmt.Sprintf("\n**Cut:** %d of %d lines are left out%s\n", left, lines, more)
	}
	head := text[:max(most-len(note(lines)), 0)]
	head = head[:strings.LastIndexByte(head, '\n')+1]
	return head + note(lines-strings.Count(head, "\n"))
}
