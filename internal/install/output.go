package install

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/sandbox"
)

// dnfOutput passes dnf's output to the log, shows its progress, and remembers
// the end of it for an error message.
type dnfOutput struct {
	log  io.Writer
	task *report.Task
	last sandbox.Tail
	line []byte
}

// How dnf5 ("[12/240] Installing bash…") and dnf 4 ("Installing : bash… 12/240") tell their progress.
var (
	progress5 = regexp.MustCompile(`^\[\s*(\d+)/(\d+)\]\s+(?:Installing\s+)?(\S+)`)
	progress4 = regexp.MustCompile(`^\s*Installing\s*:\s*(\S+)\s+(\d+)/(\d+)`)
)

// longestLine bounds what is kept of a line that does not end, bytes.
const longestLine = 64 << 10

func (o *dnfOutput) Write(p []byte) (int, error) {
	o.last.Write(p)
	o.line = append(o.line, p...)
	for {
		i := bytes.IndexAny(o.line, "\n\r")
		if i < 0 {
			break
		}
		o.show(string(o.line[:i]))
		o.line = o.line[i+1:]
	}
	if len(o.line) > longestLine {
		o.line = nil
	}
	return o.log.Write(p)
}

func (o *dnfOutput) show(line string) {
	var done, total, name string
	if m := progress5.FindStringSubmatch(line); m != nil {
		done, total, name = m[1], m[2], m[3]
	} else if m := progress4.FindStringSubmatch(line); m != nil {
		name, done, total = m[1], m[2], m[3]
	} else {
		return
	}
	d, _ := strconv.ParseInt(done, 10, 64)
	t, _ := strconv.ParseInt(total, 10, 64)
	o.task.Set(d, t)
	o.task.Doing(name)
}

var (
	// reason is how dnf 5 and dnf 4 begin to say what went wrong.
	reason = regexp.MustCompile(`^(Failed to|Error|error:|Problem|Transaction failed|No match|Unable to|Argument )`)
	// noise are lines that say nothing about it.
	noise = regexp.MustCompile(`^(\s*$|Failed to set locale|Failed to resolve the transaction:$|Error:\s*$|[-\s]*conflicting requests$|Warning: skipped OpenPGP|\s*Problem( \d+)?: conflicting requests$|` +
		`Updating and loading|Repositories loaded|Last metadata|Is this ok|Total |Dependencies resolved|Complete|\(?You can try|\(try to add|.*--skip-broken|.*--allowerasing|.*\d+% \||\[|-+$)`)
	// bullet is what stands in front of a line of a list.
	bullet = regexp.MustCompile(`^\s*(Problem( \d+)?: |- )?`)
)

// explain turns dnf's failure into an error that says why, in dnf's words.
func (o *dnfOutput) explain(err error) error {
	if _, ok := errors.AsType[*sandbox.ExitError](err); !ok {
		return err
	}
	var lines []string
	said := false
	for line := range strings.SplitSeq(o.last.String(), "\n") {
		if !said && reason.MatchString(line) && !strings.HasPrefix(line, "Failed to set locale") {
			said, lines = true, nil
		}
		if !noise.MatchString(line) {
			lines = append(lines, strings.TrimSpace(bullet.ReplaceAllString(line, "")))
		}
	}
	if said {
		lines = lines[:min(len(lines), mostLines)]
	} else {
		lines = lines[max(len(lines)-mostLines, 0):]
	}
	err = fmt.Errorf("installing packages: %w: %s", err, strings.Join(lines, "; "))
	if unresolved.MatchString(o.last.String()) {
		return hint.Wrap(err, "add a repository that has what is missing, or take what needs it out of %%packages")
	}
	return err
}

// mostLines is how many lines of dnf's an error quotes.
const mostLines = 12

// unresolved is how dnf 5 and dnf 4 say that requirements cannot be met.
var unresolved = regexp.MustCompile(`(?m)^(Failed to resolve the transaction|\s*Problem( \d+)?: )`)
