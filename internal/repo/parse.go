package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/respin-project/respin/internal/cache"
)

// parser is what the readers of all kinds of metadata share: elements are
// read by functions that are called for each of their children, and return when the element has ended.
type parser struct {
	*scanner
	strings map[string]string // each string once
	scratch []byte
}

func newParser(r io.Reader) *parser {
	return &parser{scanner: newScanner(r), strings: map[string]string{}}
}

// document reads a whole document with the given root element; child is called
// for each of the root's children, when it has begun, and must read it to its end.
func (p *parser) document(root string, child func() error) error {
	for {
		switch err := p.next(); {
		case err == io.EOF:
			return fmt.Errorf("there is no <%s>", root)
		case err != nil:
			return err
		}
		if p.kind == startToken {
			break
		}
	}
	if string(p.name) != root {
		return fmt.Errorf("it is a <%s> instead of a <%s>", p.name, root)
	}
	if err := p.children(child); err != nil {
		return err
	}
	for {
		switch err := p.next(); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case p.kind != textToken:
			return errors.New("something follows the root element")
		}
	}
}

// children calls child for each child of the element that has begun, and returns at its end.
func (p *parser) children(child func() error) error {
	depth := p.depth
	for {
		if err := p.next(); err != nil {
			return noEnd(err)
		}
		switch p.kind {
		case startToken:
			if err := child(); err != nil {
				return err
			}
			if p.depth != depth {
				return errors.New("an element was not read to its end")
			}
		case endToken:
			return nil
		}
	}
}

// skip reads to the end of the element that has begun.
func (p *parser) skip() error {
	for depth := p.depth; p.depth >= depth; {
		if err := p.next(); err != nil {
			return noEnd(err)
		}
	}
	return nil
}

// content reads the element that has begun to its end and returns its text,
// which is valid until the next call. Elements in it are passed over.
func (p *parser) content() ([]byte, error) {
	p.scratch = p.scratch[:0]
	for depth := p.depth; p.depth >= depth; {
		if err := p.next(); err != nil {
			return nil, noEnd(err)
		}
		if p.kind == textToken && p.depth == depth {
			if len(p.scratch)+len(p.text) > maxToken {
				return nil, errors.New("a text is longer than anything honest")
			}
			p.scratch = append(p.scratch, p.text...)
		}
	}
	return p.scratch, nil
}

// noEnd turns the end of the input into an error.
func noEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// intern returns b as a string that is allocated once.
func (p *parser) intern(b []byte) string {
	if s, ok := p.strings[string(b)]; ok {
		return s
	}
	s := string(b)
	p.strings[s] = s
	return s
}

// number reads an integer; an empty or missing one is 0.
func number(b []byte) (int64, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number", b)
	}
	return n, nil
}

// digest reads a checksum element that has begun.
func (p *parser) digest() (cache.Digest, error) {
	algorithm := p.intern(p.attr("type"))
	value, err := p.content()
	if err != nil {
		return cache.Digest{}, err
	}
	return cache.NewDigest(algorithm, string(bytes.TrimSpace(value)))
}

// yes reads a boolean as repositories write it.
func yes(b []byte) bool {
	b = bytes.TrimSpace(b)
	return bytes.EqualFold(b, []byte("true")) || string(b) == "1" || bytes.EqualFold(b, []byte("yes"))
}
