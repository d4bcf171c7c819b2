package smoke

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// A shell runs commands in the guest.
type shell struct {
	client *ssh.Client
	user   string
	root   string // what to put in front of a command that needs root; see asRoot
}

// output is what came of a command.
type output struct {
	stdout, stderr string // the first maxOutput bytes of each
	exit           int
}

// maxOutput is how much of what a command writes is kept, in bytes.
const maxOutput = 4 << 20

// errSlow is the error for a command that took too long.
var errSlow = errors.New("it did not end in time")

// run runs a command of the user's shell and waits for its end. The error is
// for a command that did not end, errSlow if limit was too short for it.
func (s *shell) run(ctx context.Context, command string, limit time.Duration) (output, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	type opened struct {
		session *ssh.Session
		err     error
	}
	opening := make(chan opened, 1)
	go func() {
		session, err := s.client.NewSession()
		opening <- opened{session, err}
	}()
	var session *ssh.Session
	select {
	case <-ctx.Done():
		return output{}, context.Cause(ctx)
	case o := <-opening:
		if o.err != nil {
			return output{}, fmt.Errorf("opening a session: %w", o.err)
		}
		session = o.session
	}
	defer session.Close()
	var stdout, stderr bounded
	session.Stdout, session.Stderr = &stdout, &stderr
	ended := make(chan error, 1)
	go func() { ended <- session.Run(command) }()
	select {
	case <-ctx.Done():
		session.Signal(ssh.SIGKILL) // not every server does it; the guest ends soon anyway
		return output{}, context.Cause(ctx)
	case err := <-ended:
		out := output{stdout: stdout.String(), stderr: stderr.String()}
		if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
			out.exit = exit.ExitStatus()
			return out, nil
		}
		return out, err
	}
}

// close ends the connection, if there is one.
func (s *shell) close() {
	if s != nil {
		s.client.Close()
	}
}

// asRoot makes a command that runs script as root, where the user may.
func (s *shell) asRoot(script string) string {
	return s.root + "sh -c " + quote(script)
}

// quote writes a word so that a shell reads it as it is.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), maxOutput-b.Len())])
	return len(p), nil
}
