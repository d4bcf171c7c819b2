package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// scanner reads XML as repositories have it, several times faster than
// encoding/xml and almost without allocating. It is strict: elements must nest, and
// attributes must be quoted. It knows the five entities of XML itself and
// numbers; a document type declaration with more is refused, as are tokens longer than maxToken.
//
// Elements are known by their names without a prefix, as the prefix of
// "rpm:entry" is always the same.
type scanner struct {
	r    io.Reader
	err  error // of reading
	buf  []byte
	pos  int // of the next byte in buf
	line int // of pos, counts from 1

	keep int // bytes from here on stay in buf; -1 if none must
	from int // where the current token begins in buf

	kind  tokenKind
	name  []byte // of the element that begins or ends
	attrs []attr
	text  []byte // character data
	empty bool   // the element that began ends at once: the next token is its end
	open  [][]byte
	depth int // of open that are in use
}

type tokenKind int

const (
	startToken tokenKind = iota + 1
	endToken
	textToken
)

type attr struct{ name, value []byte }

const (
	maxToken = 16 << 20 // bytes; the longest real ones are descriptions
	maxKeep  = 64 << 20 // bytes; the longest real packages list 100,000 files
	maxDepth = 64
	maxAttrs = 64
)

func newScanner(r io.Reader) *scanner {
	return &scanner{r: r, buf: make([]byte, 0, 256<<10), line: 1, keep: -1}
}

// more reads more bytes into buf. What is kept moves to its beginning; the
// caller must not hold on to slices of it.
func (s *scanner) more() bool {
	if s.err != nil {
		return false
	}
	start := s.from
	if s.keep >= 0 {
		start = s.keep
	}
	if start > 0 {
		n := copy(s.buf, s.buf[start:])
		s.buf = s.buf[:n]
		s.pos -= start
		s.from -= start
		if s.keep >= 0 {
			s.keep = 0
		}
	}
	if len(s.buf)-s.from > maxToken || len(s.buf) > maxKeep+maxToken {
		s.err = errors.New("something in it is longer than anything honest")
		return false
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if err != nil {
		s.err = err
	}
	return n > 0 || err == nil && s.more()
}

// failure is the error that ended the input.
func (s *scanner) failure() error {
	if s.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return s.err
}

// find moves pos behind the next appearance of what.
func (s *scanner) find(what string) error {
	for at := s.pos; ; {
		if i := bytes.Index(s.buf[at:], []byte(what)); i >= 0 {
			end := at + i + len(what)
			s.line += bytes.Count(s.buf[s.pos:end], []byte{'\n'})
			s.pos = end
			return nil
		}
		searched := max(len(s.buf)-len(what)+1, s.pos) - s.from
		if !s.more() {
			return s.failure()
		}
		at = s.from + searched
	}
}

// has makes sure that n bytes follow pos, if there are as many.
func (s *scanner) has(n int) bool {
	for len(s.buf)-s.pos < n {
		if !s.more() {
			return false
		}
	}
	return true
}

func (s *scanner) starts(with string) bool {
	return s.has(len(with)) && string(s.buf[s.pos:s.pos+len(with)]) == with
}

// next reads the next token; io.EOF is the regular end, after the root element.
// White space between tags is a text token as any other.
func (s *scanner) next() error {
	if s.empty {
		s.empty = false
		return s.end()
	}
	for {
		s.from = s.pos
		if !s.has(1) {
			switch {
			case s.err != io.EOF:
				return s.err
			case s.depth > 0:
				return io.ErrUnexpectedEOF
			}
			return io.EOF
		}
		if s.buf[s.pos] != '<' {
			return s.characters()
		}
		if s.has(2) && s.buf[s.pos+1] != '!' && s.buf[s.pos+1] != '?' {
			return s.tag()
		}
		var err error
		switch {
		case s.starts("<!--"):
			err = s.find("-->")
		case s.starts("<?"):
			err = s.find("?>")
		case s.starts("<![CDATA["):
			return s.cdata()
		default:
			err = s.doctype()
		}
		if err != nil {
			return err
		}
	}
}

// characters reads text up to the next tag.
func (s *scanner) characters() error {
	var err error
	if i := bytes.IndexByte(s.buf[s.pos:], '<'); i >= 0 {
		s.line += bytes.Count(s.buf[s.pos:s.pos+i], []byte{'\n'})
		s.pos += i
	} else if err = s.find("<"); err == nil {
		s.pos--
	} else if err == io.ErrUnexpectedEOF && s.depth == 0 { // white space behind the root
		s.pos, err = len(s.buf), nil
	} else {
		return err
	}
	s.kind = textToken
	s.text, err = unescape(s.buf[s.from:s.pos])
	if s.depth == 0 && len(bytes.TrimSpace(bytes.TrimPrefix(s.text, []byte("\xef\xbb\xbf")))) > 0 {
		return errors.New("text outside of the root element")
	}
	return err
}

func (s *scanner) cdata() error {
	s.pos += len("<![CDATA[")
	if err := s.find("]]>"); err != nil {
		return err
	}
	s.kind = textToken
	s.text = s.buf[s.from+len("<![CDATA[") : s.pos-len("]]>")]
	return nil
}

// doctype skips a document type declaration. One that defines something is refused.
func (s *scanner) doctype() error {
	if err := s.find(">"); err != nil {
		return err
	}
	if s.depth > 0 || bytes.IndexByte(s.buf[s.from:s.pos], '[') >= 0 {
		return errors.New("a declaration that is not supported")
	}
	return nil
}

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
