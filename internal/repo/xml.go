package repo

import (
	"bytes"
	"errors"
	"io"
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
