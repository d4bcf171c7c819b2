package main

import (
	"testing"

	"github.com/respin-project/respin/internal/cli"
)

func TestDocumented(t *testing.T) {
	if missing := cli.Undocumented(doc, new(options).define); len(missing) > 0 {
		t.Errorf("flags that doc.go does not mention: %q", missing)
	}
}
