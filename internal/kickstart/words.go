package kickstart

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// A word of a command line, with where it begins within the line in bytes.
type word struct {
	text   string
	offset int
}

var (
	errQuote  = errors.New("a quotation is not closed")
	errEscape = errors.New("nothing follows the backslash at the end of the line")
)

// A wordError is one of those, with where it is in bytes.
type wordError struct {
	error
	offset int
}

func (e *wordError) Unwrap() error { return e.error }

// splitWords takes a line apart as Python's shlex does in POSIX mode with
// comments, which is what pykickstart uses: quotes join, a backslash escapes
// any character outside quotes and \ and " within double quotes, and a # that
// is not quoted ends the line, even in the middle of a word.
func splitWords(line string) ([]word, error) {
	var words []word
	var text strings.Builder
	start := -1 // of the current word; -1 between words
	end := func() {
		if start >= 0 {
			words = append(words, word{text.String(), start})
			text.Reset()
			start = -1
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch c {
		case ' ', '\t', '\r', '\n':
			end()
			continue
		case '#':
			end()
			return words, nil
		}
		if start < 0 {
			start = i
		}
		switch c {
		case '\\':
			if i++; i == len(line) {
				return words, &wordError{errEscape, i - 1}
			}
			text.WriteByte(line[i])
		case '\'', '"':
			n, err := quoted(&text, line[i+1:], c)
			if err != nil {
				return words, &wordError{err, i}
			}
			i += n
		default:
			text.WriteByte(c)
		}
	}
	end()
	return words, nil
}

// quoted appends what stands before the closing quote and returns how many
// bytes of rest that took, the quote included.
func quoted(text *strings.Builder, rest string, quote byte) (int, error) {
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == quote:
			return i + 1, nil
		case c == '\\' && quote == '"':
			if i++; i == len(rest) {
				return 0, errEscape
			}
			if rest[i] != '\\' && rest[i] != quote {
				text.WriteByte('\\')
			}
			text.WriteByte(rest[i])
		default:
			text.WriteByte(c)
		}
	}
	return 0, errQuote
}

// quote writes a word so that splitWords returns it.
func quote(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || strings.ContainsRune(`"'\#`, c)
	})
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quoteOption writes an option with its value; only the value is quoted.
func quoteOption(name, value string) string {
	if value == "" {
		return name + "="
	}
	return name + "=" + quote(value)
}

// column returns where the byte at offset stands in line, in characters from 1.
func column(line string, offset int) int {
	return utf8.RuneCountInString(line[:min(offset, len(line))]) + 1
}
