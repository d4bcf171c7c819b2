package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// screen draws the running tasks on a terminal that the other commands of the
// pipe write to as well. Two rules make that work without talking to them:
//
//   - After drawing, the cursor goes back to where the drawing began. Whoever
//     writes next first erases from the cursor to the end of the screen, so it
//     replaces the whole drawing, and the drawing comes back below its text
//     with the next frame.
//   - Only one process draws at a time, the one that holds the terminal's lock.
//     The others write their lines and draw when the lock is free.
type screen struct {
	lock *os.File // held while drawing; nil otherwise
}

const eraseBelow = "\r\x1b[J"

// clear returns what erases the drawing, ours or another command's.
func (r *Report) clear() string {
	if r.mode != Terminal {
		return ""
	}
	return eraseBelow
}

// redraw draws a frame. The caller holds mu.
func (r *Report) redraw(now time.Time) {
	if r.mode != Terminal || len(r.tasks) == 0 || !r.acquire() {
		return
	}
	width, height := 80, 24
	if f, ok := r.w.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
	}
	tasks := r.tasks[:min(len(r.tasks), max(height-1, 1))]
	var b strings.Builder
	b.WriteString(eraseBelow)
	for i, t := range tasks {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(t.row(now.Sub(t.start), width-1))
	}
	if len(tasks) > 1 {
		fmt.Fprintf(&b, "\x1b[%dA", len(tasks)-1)
	}
	b.WriteByte('\r')
	io.WriteString(r.w, b.String())
}

const barWidth = 24

// row is the task as one line of at most width characters.
func (t *Task) row(elapsed time.Duration, width int) string {
	row := fmt.Sprintf("%-22s ", t.title)
	if done, total := t.done.Load(), t.total.Load(); total > 0 && width >= 80 {
		filled := int(barWidth * min(done, total) / total)
		row += strings.Repeat("█", filled) + strings.Repeat("░", barWidth-filled) + " "
	}
	row += t.status(elapsed)
	for utf8.RuneCountInString(row) > width {
		_, last := utf8.DecodeLastRuneInString(row)
		row = row[:len(row)-last]
	}
	return row
}

// acquire takes the terminal's lock and reports whether it is held.
// Where there can be none, as for a terminal in a test, drawing goes ahead.
func (r *Report) acquire() bool {
	if r.lock != nil {
		return true
	}
	f, ok := r.w.(*os.File)
	if !ok {
		return true
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return true
	}
	name := fmt.Sprintf("respin-%d-terminal-%x.lock", os.Getuid(), st.Rdev)
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), name), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return true
	}
	if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		lock.Close()
		return false
	}
	r.lock = lock
	return true
}

// release lets another command draw.
func (r *Report) release() {
	if r.lock != nil {
		r.lock.Close()
		r.lock = nil
	}
}
