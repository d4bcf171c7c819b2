// Package sandboxtest lets tests run where a command would: as root of a
// namespace of their own.
package sandboxtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/respin-project/respin/internal/sandbox"
)

// Main is a TestMain. Where an ordinary user may have no namespaces, the
// package's tests are skipped, and it says so; root may have them everywhere
// that matters, so there it is a failure.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has something to clear up: it returns the exit code.
func Run(m *testing.M) int {
	sandbox.Init()
	_, inside, err := sandbox.Enter(context.Background())
	if inside {
		return m.Run()
	}
	if exit, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return exit.ExitCode()
	}
	if err != nil && os.Geteuid() == 0 {
		fmt.Println("FAIL:", err)
		return 1
	}
	if err != nil {
		fmt.Println("SKIP: no namespaces for this user:", err)
	}
	return 0
}
