// Package hint attaches to an error what its reader can do about it.
//
// Any package may make one; package cli prints it on a line of its own.
package hint

import (
	"errors"
	"fmt"
	"slices"
)

type hinted struct {
	error
	text string
}

func (h *hinted) Unwrap() error { return h.error }

// Hint is the advice, a lower-case phrase without a full stop.
func (h *hinted) Hint() string { return h.text }

// Wrap returns err with a hint; its message is unchanged. A nil err stays nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Of returns the hints of err's chain, the innermost first: it is nearest to
// what went wrong.
// It does not look into joined errors: each of those is reported by itself.
func Of(err error) []string {
	var texts []string
	for err != nil {
		h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err)
		if !ok {
			break
		}
		texts = append(texts, h.Hint())
		err = errors.Unwrap(h)
	}
	slices.Reverse(texts)
	return texts
}
