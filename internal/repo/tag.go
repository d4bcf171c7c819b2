package repo

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// tag reads a tag that begins or ends an element.
func (s *scanner) tag() error {
	if err := s.tagEnd(); err != nil {
		return err
	}
	body := s.buf[s.from+1 : s.pos-1]
	if len(body) > 0 && body[0] == '/' {
		s.name = local(bytes.TrimRight(body[1:], " \t\r\n"))
		return s.end()
	}
	if s.empty = len(body) > 0 && body[len(body)-1] == '/'; s.empty {
		body = body[:len(body)-1]
	}
	i := nameLength(body)
	if i == 0 {
		return errors.New("a tag without a name")
	}
	s.kind, s.name = startToken, local(body[:i])
	if err := s.attributes(body[i:]); err != nil {
		return err
	}
	if s.depth == maxDepth {
		return errors.New("elements are nested too deeply")
	}
	if s.depth == len(s.open) {
		s.open = append(s.open, nil)
	}
	s.open[s.depth] = append(s.open[s.depth][:0], s.name...)
	s.depth++
	return nil
}

// tagEnd moves pos behind the end of a tag. A ">" in quotes does not end it.
func (s *scanner) tagEnd() error {
	// Nearly always the first one ends it.
	if i := bytes.IndexByte(s.buf[s.pos:], '>'); i >= 0 {
		tag := s.buf[s.pos : s.pos+i]
		if bytes.Count(tag, []byte{'"'})%2 == 0 && bytes.IndexByte(tag, '\'') < 0 {
			s.line += bytes.Count(tag, []byte{'\n'})
			s.pos += i + 1
			return nil
		}
	}
	var quote byte
	for i := s.pos; ; i++ {
		if i == len(s.buf) {
			read := i - s.from
			if !s.more() {
				return s.failure()
			}
			i = s.from + read
		}
		switch c := s.buf[i]; {
		case c == '\n':
			s.line++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			s.pos = i + 1
			return nil
		}
	}
}

// end ends the innermost element, whose name must be s.name.
func (s *scanner) end() error {
	s.kind = endToken
	if s.depth == 0 || !bytes.Equal(s.open[s.depth-1], s.name) {
		return fmt.Errorf("</%s> ends nothing that was begun", s.name)
	}
	s.depth--
	s.name = s.open[s.depth]
	return nil
}

// attributes reads the attributes of a tag.
func (s *scanner) attributes(b []byte) error {
	s.attrs = s.attrs[:0]
	for {
		rest := trimSpace(b)
		if len(rest) == 0 {
			return nil
		}
		n := nameLength(rest)
		if n == 0 || len(rest) == len(b) || len(s.attrs) == maxAttrs {
			return fmt.Errorf("malformed attributes of <%s>", s.name)
		}
		name := rest[:n]
		rest = trimSpace(rest[n:])
		if len(rest) == 0 || rest[0] != '=' {
			return fmt.Errorf("attribute %q of <%s> has no value", name, s.name)
		}
		rest = trimSpace(rest[1:])
		if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
			return fmt.Errorf("attribute %q of <%s> is not quoted", name, s.name)
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return fmt.Errorf("attribute %q of <%s> has no end", name, s.name)
		}
		value, err := unescape(rest[1 : end+1])
		if err != nil {
			return err
		}
		s.attrs = append(s.attrs, attr{name, value})
		b = rest[end+2:]
	}
}

// trimSpace removes white space from the front.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// attr returns the value of an attribute, nil if there is none.
func (s *scanner) attr(name string) []byte {
	for _, a := range s.attrs {
		if string(a.name) == name {
			return a.value
		}
	}
	return nil
}

// nameLength is how many bytes of b are a name.
func nameLength(b []byte) int {
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', '=', '/', '<', '>', '"', '\'', '&':
			return i
		}
	}
	return len(b)
}

// local is a name without its prefix.
func local(name []byte) []byte {
	return name[bytes.IndexByte(name, ':')+1:]
}

// unescape replaces entities. The result is b itself where there are none.
func unescape(b []byte) ([]byte, error) {
	i := bytes.IndexByte(b, '&')
	if i < 0 {
		return b, nil
	}
	out := append(make([]byte, 0, len(b)), b[:i]...)
	for rest := b[i:]; len(rest) > 0; {
		if rest[0] != '&' {
			next := bytes.IndexByte(rest, '&')
			if next < 0 {
				next = len(rest)
			}
			out, rest = append(out, rest[:next]...), rest[next:]
			continue
		}
		end := bytes.IndexByte(rest[:min(len(rest), 12)], ';')
		if end < 0 {
			return nil, fmt.Errorf("%q is no entity", rest[:min(len(rest), 12)])
		}
		c, err := entity(rest[1:end])
		if err != nil {
			return nil, err
		}
		out, rest = utf8.AppendRune(out, c), rest[end+1:]
	}
	return out, nil
}

func entity(name []byte) (rune, error) {
	switch string(name) {
	case "amp":
		return '&', nil
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	if len(name) > 1 && name[0] == '#' {
		digits, base := string(name[1:]), 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && utf8.ValidRune(rune(n)) && n != 0 {
			return rune(n), nil
		}
	}
	return 0, fmt.Errorf("&%s; is no entity", name)
}
