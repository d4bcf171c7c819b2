package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// keptOutput is how much of the end of a program's output Output keeps, and
// quotedOutput how much of it an error quotes; bytes.
const (
	keptOutput   = 1 << 20
	quotedOutput = 600
)

// Output runs the program and returns what it wrote to its standard streams,
// at most the last mebibyte. If it fails, the error quotes the end of that.
func (c *Command) Output(ctx context.Context) (string, error) {
	var t Tail
	c.Stdout, c.Stderr = &t, &t
	err := c.Run(ctx)
	if exit, ok := errors.AsType[*ExitError](err); ok && t.String() != "" {
		err = fmt.Errorf("%w: %s", exit, t.Quote())
	}
	return t.String(), err
}

// A Tail is a writer that keeps the end of what is written to it.
// Its methods may be called from several goroutines.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - keptOutput; n > keptOutput {
		t.text = append([]byte(nil), t.text[n:]...)
	}
	return len(p), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[max(len(t.text)-keptOutput, 0):])
}

// Quote returns the last lines as one line that an error can end with.
func (t *Tail) Quote() string {
	text := t.String()
	text = text[max(len(text)-quotedOutput, 0):]
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
