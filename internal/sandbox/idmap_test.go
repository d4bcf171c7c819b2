package sandbox

import (
	"strings"
	"testing"
)

func TestFindRange(t *testing.T) {
	for _, tt := range []struct {
		text  string
		first int
		err   string
	}{
		{"a:1:2\nbuilder:100000:65536\n", 100000, ""},
		{"1000:200000:70000\n", 200000, ""},
		{"builder:1:10\nbuilder:500000:65536\n", 500000, ""},
		{"builder:1:10\n", 0, "no range of builder has 65535 ids"},
		{"", 0, "there is no range for builder"},
		{"builder:x:65536\n", 0, "is not NAME:FIRST:COUNT"},
	} {
		got, err := findRange(strings.NewReader(tt.text), []string{"1000", "builder"})
		if got.first != tt.first || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %v, %v, want %d, %q", tt.text, got, err, tt.first, tt.err)
		}
	}
}
