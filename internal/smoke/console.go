package smoke

import (
	"regexp"
	"strings"
	"sync"
	"time"
)

// maxLine is the longest line that is looked at, in bytes; the rest of a longer one is passed over.
const maxLine = 4096

// A console watches what a guest writes to its serial port, as it comes.
// It is written to by one goroutine and asked by others.
type console struct {
	onFault func(*Fault) // told of what cannot end well, maybe several times
	onStage func(string) // told what the guest is doing
	now     func() time.Time

	mu         sync.Mutex
	transcript transcript
	splitter   splitter
	facts      facts
	progress   int64 // messages that told something new
	seen       map[string]bool
}

// facts are what the console told about the guest.
type facts struct {
	Stage     string    // what it is doing
	Kernel    bool      // a kernel has written
	Initrd    bool      // it is in its initrd
	Prompt    time.Time // when the first login prompt stood there; zero before
	CloudInit bool      // cloud-init has written
	System    string    // the operating system's name, empty if not known
	User      string    // the user whom cloud-init gave the key, empty if not known
	Waiting   string    // what the guest says it waits for, empty if nothing
	Failures  []string  // what failed on the way, the first maxFailures
}

const maxFailures = 20

func newConsole(onFault func(*Fault), onStage func(string)) *console {
	c := &console{onFault: onFault, onStage: onStage, now: time.Now, seen: map[string]bool{}}
	c.facts.Stage = "firmware"
	return c
}

// Write takes what the guest has written.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transcript.add(p)
	c.splitter.split(p, c.line)
	if rest := c.splitter.rest(); rest != "" {
		c.prompt(rest)
	}
	return len(p), nil
}

// Screen takes what the guest's text screen shows.
func (c *console) Screen(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range strings.SplitSeq(text, "\n") {
		c.line(line)
		c.prompt(line)
	}
}

// Facts returns what is known so far.
func (c *console) Facts() facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.facts
	f.Failures = append([]string(nil), f.Failures...)
	return f
}

// Progress is a number that grows when the console tells something new.
func (c *console) Progress() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.progress
}

// Transcript is what was written, its middle left out if it is long.
func (c *console) Transcript() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transcript.bytes()
}

// Restart says that the guest has been reset: what it writes now counts as new.
func (c *console) Restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.seen)
	c.facts.Initrd, c.facts.Kernel, c.facts.Waiting, c.facts.Failures = false, false, "", nil
	c.stage("firmware")
}

// line looks at one whole line.
func (c *console) line(text string) {
	message := strings.TrimSpace(stamp.ReplaceAllString(printable(text), ""))
	if message == "" {
		return
	}
	if m := waiting.FindStringSubmatch(message); m != nil {
		c.facts.Waiting = m[1] + m[2]
		c.stage("waiting for " + c.facts.Waiting)
		return
	}
	if !c.isNew(message) {
		return
	}
	c.note(message)
	if f := match(consoleRules, message); f != nil {
		c.fault(f)
	}
}

// stamp is what the kernel puts in front of a message: "[    1.234567] ", maybe with the thread or processor.
var stamp = regexp.MustCompile(`^\[ *\d+\.\d+\](\[ *[TC]\d+\])? `)

// waiting is the line in which systemd shows what it waits for, again and again, such as
// "[  *** ] (1 of 3) A start job is running for /dev/vdb (1min 2s / 1min 30s)" or, since
// version 250, "[ *** ] Job dev-vdb.device/start running (5s / no limit)".
var waiting = regexp.MustCompile(`^\[[ *]*\] (?:\(\d+ of \d+\) )?(?:A \w+ job is running for (.*)|Job (\S+) running) \([^()]* / [^()]*\)`)

// isNew reports whether the guest tells something that it has not told lately, numbers aside,
// and counts it as progress. So one that says the same for ever does not get anywhere.
func (c *console) isNew(message string) bool {
	key := numbers.ReplaceAllString(message, "0")
	if c.seen[key] {
		return false
	}
	if len(c.seen) >= maxSeen {
		clear(c.seen)
	}
	c.seen[key] = true
	c.progress++
	c.facts.Waiting = ""
	return true
}

var numbers = regexp.MustCompile(`[0-9]+`)

const maxSeen = 10_000

// fault completes f with what is known and reports it.
func (c *console) fault(f *Fault) {
	if len(c.facts.Failures) > 0 {
		first := c.facts.Failures[0]
		switch f.Code {
		case "emergency", "boot-loader", "systemd-frozen", "init-died":
			f.Text += ": " + first
		}
		if f.Code == "emergency" && c.facts.Initrd && rootFailure.MatchString(first) {
			f.Code = "root-not-found"
		}
	}
	c.onFault(f)
}

// rootFailure is a failure in the initrd that has the missing root device at its bottom.
var rootFailure = regexp.MustCompile(`(?i)timed out waiting for device|sysroot|root device|/dev/`)

func (c *console) stage(what string) {
	if c.facts.Stage != what {
		c.facts.Stage = what
		c.onStage(what)
	}
}

// printable replaces what is no text.
func printable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// A splitter makes lines of what goes to a terminal: it takes out escape
// sequences and takes a movement of the cursor for the end of a line.
type splitter struct {
	state state
	line  []byte
}

type state int

const (
	inText    state = iota
	inEscape        // after ESC
	inControl       // after ESC [, until a letter
	inString        // after ESC ] and the like, until BEL or ESC
)

// split calls line for every line that ends in p.
func (s *splitter) split(p []byte, line func(string)) {
	for _, b := range p {
		switch s.state {
		case inText:
			s.text(b, line)
		case inEscape:
			switch b {
			case '[':
				s.state = inControl
			case ']', 'P', 'X', '^', '_':
				s.state = inString
			default:
				s.state = inText
			}
		case inControl:
			if b == 'H' || b == 'f' || b == 'J' {
				s.end(line)
			}
			if b == 0x1b {
				s.state = inEscape
			} else if b < 0x20 || b >= 0x40 {
				s.state = inText
			}
		case inString:
			if b == 0x07 || b == '\n' {
				s.state = inText
			} else if b == 0x1b {
				s.state = inEscape
			}
		}
	}
}

func (s *splitter) text(b byte, line func(string)) {
	switch {
	case b == '\n' || b == '\r':
		s.end(line)
	case b == 0x1b:
		s.state = inEscape
	case (b >= ' ' || b == '\t') && b != 0x7f && len(s.line) < maxLine:
		s.line = append(s.line, b)
	}
}

func (s *splitter) end(line func(string)) {
	if len(s.line) > 0 {
		line(string(s.line))
		s.line = s.line[:0]
	}
}

// rest is the line that has not ended yet, if it is short enough for a prompt.
func (s *splitter) rest() string {
	if len(s.line) > 200 {
		return ""
	}
	return string(s.line)
}

// keep is how much of a transcript's beginning, and of its end, is kept.
const keep = 4 << 20

// A transcript is the beginning and the end of a long text.
type transcript struct {
	head, tail []byte
	dropped    int64
}

func (t *transcript) add(p []byte) {
	n := min(len(p), keep-len(t.head))
	t.head = append(t.head, p[:n]...)
	t.tail = append(t.tail, p[n:]...)
	if excess := len(t.tail) - keep; excess > keep { // seldom, for it costs a copy
		t.tail = append(t.tail[:0], t.tail[excess:]...)
		t.dropped += int64(excess)
	}
}

func (t *transcript) bytes() []byte {
	text := append([]byte(nil), t.head...)
	if t.dropped > 0 {
		text = append(text, "\n[... left out ...]\n"...)
	}
	return append(text, t.tail...)
}
