package spec

import (
	"slices"
	"strings"
	"testing"
)

// A rendered line is that of the template which its text stands in, whatever
// branches are taken.
func TestRenderingLines(t *testing.T) {
	const branch = "a\n{{if .yes}}\nb\n{{else}}\nc\n{{end}}\nd\n"
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "a\nb", "1a 2b"},
		{"taken", branch, "1a 2 3b 6 7d"},
		{"not taken", strings.Replace(branch, ".yes", ".no", 1), "1a 4 5c 6 7d"},
		{"no branch", "a\n{{if .no}}\nb\n{{end}}\nc\n", "1a 4 5c"},
		{"trimmed before", "a\n{{- if .yes}}\nb\n{{- end}}\nc\n", "1a 3b 5c"},
		{"trimmed, not taken", "a\n{{- if .no}}\nb\n{{- end}}\nc\n", "1a 5c"},
		{"trimmed after", "a\n{{if .yes -}}\nb\n{{end -}}\nc\n", "1a 3b 5c"},
		{"on one line", "{{if .no}}a{{else}}b{{end}}\nc {{if .no}}d{{end}}\ne\n", "1b 2c  3e"},
		{"action first", "{{if .no}}\na\n{{end}}{{.word}} b\n{{.word}}\n", "3word b 4word"},
		{"value of lines", "a\n{{.lines}}\nb\n{{.lines}}c", "1a 2x 2y 3b 4x 4yc"},
		{"long action", "a\n{{/* one\ntwo */}}\nb\n{{or\n.no\n.word}}\nc\n", "1a 3 4b 7word 8c"},
		{"range", "{{range $i, $_ := .list}}\na {{$i}}\n{{end}}\nb\n", "1 2a 0 1 2a 1 3 4b"},
		{"with", "{{with .word}}\n{{.}}\n{{end}}{{with .no}}{{else}}\nc{{end}}\n", "1 2word 3 4c"},
		{"define", "{{define \"t\"}}x\ny\n{{end}}a\n{{template \"t\"}}b\n", "3a 1x 2y 4b"},
		{"nothing", "", ""},
		{"blank", "\n\n{{.word}}", "1 2 3word"},
		{"range on one line", "{{range .list}}{{.}}\n{{end}}z", "1p 1q 2z"},
	} {
		vars := map[string]any{"yes": true, "no": "", "word": "word", "lines": "x\ny", "list": []string{"p", "q"}}
		text, lines, err := renderer(vars)("a.tmpl", []byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for i, line := range slices.Collect(strings.Lines(string(text))) {
			got = append(got, string(rune('0'+lines[i]))+strings.TrimSuffix(line, "\n"))
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
