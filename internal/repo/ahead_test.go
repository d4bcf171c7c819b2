package repo

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// What is read ahead arrives whole and in order, and errors after what came before them.
func TestAhead(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 3*chunks*chunkSize/16+5)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		in   io.Reader
		want error
	}{
		{"whole", bytes.NewReader(text), nil},
		{"in pieces", iotest.HalfReader(bytes.NewReader(text)), nil},
		{"broken", io.MultiReader(bytes.NewReader(text), iotest.ErrReader(broken)), broken},
		{"truncated", io.MultiReader(bytes.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			v := &verified{ctx: t.Context(), r: tt.in, left: int64(len(text)) + 1}
			err := parseAhead(v, func(r io.Reader) (err error) {
				got, err = io.ReadAll(r)
				return err
			})
			if !errors.Is(err, tt.want) || !bytes.Equal(got, text) {
				t.Errorf("%d of %d bytes, %v", len(got), len(text), err)
			}
		})
	}
	v := &verified{ctx: t.Context(), r: bytes.NewReader(text), left: int64(len(text))}
	if err := parseAhead(v, func(io.Reader) error { return broken }); err != broken {
		t.Errorf("a parser that stops: %v", err)
	}
	v = &verified{ctx: t.Context(), r: bytes.NewReader(text), left: int64(len(text))}
	if err := parseAhead(v, func(r io.Reader) error { return nil }); err != nil || v.read != int64(len(text)) {
		t.Errorf("a parser that is content: %d of %d bytes, %v", v.read, len(text), err)
	}
}
