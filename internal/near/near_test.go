package near

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	options := []string{"--hostname", "--bootproto", "--device", "--ip"}
	for _, tt := range []struct{ name, want string }{
		{"--hostnam", "--hostname"},
		{"--hsotname", "--hostname"},
		{"--bootprot", "--bootproto"},
		{"--entirely-else", ""},
		{"x", ""},
		{"", ""},
		{strings.Repeat("--hostname", 100_000), ""},
	} {
		got, ok := Name(tt.name, options)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("Name(%.50q) = %q, %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}

func TestDistanceIsSymmetric(t *testing.T) {
	words := []string{"", "a", "ab", "ba", "kickstart", "kcikstart", "start"}
	for _, a := range words {
		for _, b := range words {
			if distance(a, b) != distance(b, a) {
				t.Errorf("distance(%q, %q) is not symmetric", a, b)
			}
			if (distance(a, b) == 0) != (a == b) {
				t.Errorf("distance(%q, %q) = 0", a, b)
			}
		}
	}
}
