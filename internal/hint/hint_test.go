package hint

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestHints(t *testing.T) {
	inner := Wrap(errors.New("broke"), "do %s", "this")
	outer := Wrap(fmt.Errorf("outer: %w", inner), "then that")
	if got := Of(outer); !slices.Equal(got, []string{"do this", "then that"}) {
		t.Errorf("hints are %q", got)
	}
	if outer.Error() != "outer: broke" {
		t.Errorf("error is %v", outer)
	}
	if Wrap(nil, "x") != nil || Of(nil) != nil || Of(errors.New("x")) != nil {
		t.Error("a hint out of nothing")
	}
}
