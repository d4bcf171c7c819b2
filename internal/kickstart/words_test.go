package kickstart

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The wanted words are what Python's shlex.split(line, comments=True) returns.
func TestSplitWords(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
		err  error
	}{
		{"", nil, nil},
		{"part / --size=1", []string{"part", "/", "--size=1"}, nil},
		{"  lang\ten_US.UTF-8  \r", []string{"lang", "en_US.UTF-8"}, nil},
		{"text # the mode", []string{"text"}, nil},
		{"user --password=abc#def", []string{"user", "--password=abc"}, nil},
		{`user --password="abc#def"`, []string{"user", "--password=abc#def"}, nil},
		{`a"b c"d 'e f'`, []string{"ab cd", "e f"}, nil},
		{`"" ''`, []string{"", ""}, nil},
		{`a\ b \"c\" \#d`, []string{"a b", `"c"`, "#d"}, nil},
		{`"a\"b\\c\d\$"`, []string{`a"b\c\d\$`}, nil},
		{`'a\b'`, []string{`a\b`}, nil},
		{"péage \"ñ\"", []string{"péage", "ñ"}, nil},
		{`rootpw "open`, []string{"rootpw"}, errQuote},
		{`rootpw it's`, []string{"rootpw"}, errQuote},
		{`part / \`, []string{"part", "/"}, errEscape},
		{`append "a \`, []string{"append"}, errEscape},
	} {
		words, err := splitWords(tt.line)
		var got []string
		for _, w := range words {
			got = append(got, w.text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%q: %v, want %v; %s", tt.line, err, tt.err, diff)
		}
	}
}

func TestColumns(t *testing.T) {
	words, err := splitWords(`é "b c"  d`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 3, 10} {
		if got := column(`é "b c"  d`, words[i].offset); got != want {
			t.Errorf("word %d is in column %d, want %d", i, got, want)
		}
	}
}

// What quote writes, splitWords reads.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "a b", `"`, `\`, "#x", "'", "\t", "é\u00a0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := splitWords(quote(s) + " " + quoteOption("--x", s))
		if err != nil || len(words) != 2 || words[0].text != s || words[1].text != "--x="+s {
			t.Errorf("%q comes back as %v, %v", s, words, err)
		}
	})
}
