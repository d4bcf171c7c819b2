package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newReport(mode Mode, env map[string]string) (*Report, *strings.Builder) {
	var b strings.Builder
	return New(&b, "img-test", mode, func(k string) string { return env[k] }), &b
}

func TestLines(t *testing.T) {
	r, out := newReport(Lines, nil)
	r.Printf("one\ntwo %d", 2)
	r.Warn(Place{File: "a.ks", Line: 3}, "odd")
	r.Task("quick", 1, Items).Done()
	task := r.Task("fetching", 2048, Bytes)
	task.start = task.start.Add(-500 * time.Millisecond)
	task.Add(2048)
	task.Done()
	task.Done()
	task.Drop()
	want := "img-test: one\nimg-test: two 2\nimg-test: warning: odd\nimg-test: fetching: 2.0 KiB in 0.5 s\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestQuiet(t *testing.T) {
	r, out := newReport(Lines, nil)
	r.Quiet()
	r.Printf("chatter")
	r.Task("work", 0, Items).Done()
	r.Error(Place{}, "broken")
	if want := "img-test: broken\n"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// On Actions, text from elsewhere must not turn into a workflow command.
func TestActionsHostileText(t *testing.T) {
	r, out := newReport(Actions, nil)
	r.Printf("::set-output name=x::y\n##[set-env name=PATH]/evil\r::error::z")
	r.Error(Place{File: "a,line=9::b.ks", Line: 2}, "first\n::add-mask::second")
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		if strings.Contains(line, "##[") || strings.Contains(line, "\r") {
			t.Errorf("line %q can be taken for a command", line)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "::") && !strings.HasPrefix(line, "::error ") {
			t.Errorf("line %q is a command", line)
		}
	}
	if want := "file=a%2Cline=9%3A%3Ab.ks"; !strings.Contains(out.String(), want) {
		t.Errorf("%q lacks %q", out, want)
	}
	if want := "first%0A::add-mask::second"; !strings.Contains(out.String(), want) {
		t.Errorf("%q lacks %q", out, want)
	}
}

func TestSummary(t *testing.T) {
	file := filepath.Join(t.TempDir(), "summary")
	r, _ := newReport(Actions, map[string]string{"GITHUB_STEP_SUMMARY": file})
	r.Summary("# Built")
	got, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(got), "# Built") {
		t.Errorf("summary is %q, %v", got, err)
	}
}

// What two commands write in turn leaves both their lines whole and no drawing behind.
func TestTerminalIsShared(t *testing.T) {
	var s fakeScreen
	getenv := func(string) string { return "" }
	a, b := New(&s, "a", Terminal, getenv), New(&s, "b", Terminal, getenv)
	t1, t2 := a.Task("one", 100, Items), a.Task("two", 100, Items)
	draw := func(r *Report) { r.mu.Lock(); r.redraw(time.Now()); r.mu.Unlock() }
	draw(a)
	b.Printf("hello from b")
	draw(a)
	t1.start = t1.start.Add(-time.Second)
	t1.Done()
	b.Printf("and again")
	draw(a)
	t2.Drop()
	a.Close()
	want := []string{"b: hello from b", "a: one: 1.0 s", "b: and again", ""}
	if got := s.rows(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("screen shows %q, want %q", got, want)
	}
}

// fakeScreen understands the few control sequences that the drawing uses.
type fakeScreen struct {
	cells [][]rune
	x, y  int
}

func (s *fakeScreen) Write(p []byte) (int, error) {
	text := []rune(string(p))
	for i := 0; i < len(text); i++ {
		for len(s.cells) <= s.y {
			s.cells = append(s.cells, nil)
		}
		switch c := text[i]; {
		case c == '\n':
			s.y, s.x = s.y+1, 0
		case c == '\r':
			s.x = 0
		case c == 0x1b:
			n := 0
			for i += 2; '0' <= text[i] && text[i] <= '9'; i++ {
				n = 10*n + int(text[i]-'0')
			}
			switch text[i] {
			case 'A':
				s.y -= n
			case 'J':
				s.cells = append(s.cells[:s.y], s.cells[s.y][:min(s.x, len(s.cells[s.y]))])
			}
		default:
			for len(s.cells[s.y]) <= s.x {
				s.cells[s.y] = append(s.cells[s.y], ' ')
			}
			s.cells[s.y][s.x] = c
			s.x++
		}
	}
	return len(p), nil
}

func (s *fakeScreen) rows() []string {
	var rows []string
	for _, r := range s.cells {
		rows = append(rows, string(r))
	}
	return rows
}

func TestSizeAndSeconds(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 20: "1.0 MiB", 1<<30 - 1: "1.0 GiB", 5 << 40: "5.0 TiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{400 * time.Millisecond: "0.4 s", 38 * time.Second: "38 s", 200 * time.Second: "3 min 20 s", 125 * time.Minute: "2 h 5 min"} {
		if got := Seconds(d); got != want {
			t.Errorf("Seconds(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestNilReport(t *testing.T) {
	var r *Report
	r.Printf("x")
	r.Warn(Place{}, "x")
	r.Group("x")()
	r.Summary("x")
	task := r.Task("x", 1, Items)
	task.Add(1)
	task.Doing("y")
	task.Done()
	r.Close()
}
