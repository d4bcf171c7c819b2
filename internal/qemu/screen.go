package qemu

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"io"
	"strings"
)

// receive has QEMU write to the mailbox and returns what it wrote.
func (g *Guest) receive(ctx context.Context, command string, arguments map[string]any) ([]byte, error) {
	arguments["filename"] = fmt.Sprintf("/proc/self/fd/%d", mailboxFD)
	if err := g.monitor.execute(ctx, command, arguments, nil); err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(g.mailbox, 0, maxScreen))
}

// maxScreen bounds a screen's picture: bytes.
const maxScreen = 64 << 20

// Screenshot is what the guest's screen shows.
func (g *Guest) Screenshot(ctx context.Context) (image.Image, error) {
	text, err := g.receive(ctx, "screendump", map[string]any{})
	if err != nil {
		return nil, err
	}
	return decodePPM(bytes.NewReader(text))
}

// decodePPM reads a binary portable pixmap, the kind that QEMU writes.
func decodePPM(r io.Reader) (image.Image, error) {
	in := bufio.NewReader(r)
	var width, height, depth int
	if _, err := fmt.Fscanf(in, "P6\n%d %d\n%d\n", &width, &height, &depth); err != nil {
		return nil, fmt.Errorf("reading the screen: %w", err)
	}
	if width <= 0 || height <= 0 || depth != 255 || width > maxScreen/3/height {
		return nil, fmt.Errorf("reading the screen: %d by %d pixels of depth %d are not expected", width, height, depth)
	}
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	row := make([]byte, 3*width)
	for y := range height {
		if _, err := io.ReadFull(in, row); err != nil {
			return nil, fmt.Errorf("reading the screen: %w", err)
		}
		for x := range width {
			picture.SetNRGBA(x, y, color.NRGBA{row[3*x], row[3*x+1], row[3*x+2], 255})
		}
	}
	return picture, nil
}

// The text memory of a PC in VGA mode 3. The screen shows a part of it, which
// Linux moves forward instead of its contents.
const (
	textAt      = 0xb8000
	textSize    = 32 << 10
	textColumns = 80
)

// Text is what a PC's text memory holds, a line each row: the screen and what has
// scrolled off it. In another mode, or on another machine, it is empty.
func (g *Guest) Text(ctx context.Context) (string, error) {
	if !g.Machine.Emulator.BIOS() {
		return "", nil
	}
	cells, err := g.receive(ctx, "pmemsave", map[string]any{"val": textAt, "size": textSize})
	if err != nil {
		return "", err
	}
	return screenText(cells), nil
}

// screenText reads pairs of a character and its attributes.
func screenText(cells []byte) string {
	var rows []string
	for cells = cells[:min(len(cells), textSize)]; len(cells) >= 2*textColumns; cells = cells[2*textColumns:] {
		row := make([]byte, textColumns)
		for i := range row {
			row[i] = cells[2*i]
			if row[i] < ' ' || row[i] > '~' {
				row[i] = ' '
			}
		}
		rows = append(rows, strings.TrimRight(string(row), " "))
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// Status is the state that the machine is in, such as "running"; empty if QEMU does not say.
func (g *Guest) Status(ctx context.Context) string {
	var answer struct {
		Status string `json:"status"`
	}
	g.monitor.execute(ctx, "query-status", nil, &answer) // without an answer it stays empty
	return answer.Status
}

// State is what QEMU says about the machine, by the name of the question.
func (g *Guest) State(ctx context.Context) map[string]json.RawMessage {
	state := map[string]json.RawMessage{}
	for _, question := range []string{"query-version", "query-status", "query-cpus-fast", "query-block", "query-blockstats", "query-chardev", "query-rx-filter"} {
		var answer json.RawMessage
		if err := g.monitor.execute(ctx, question, nil, &answer); err != nil {
			answer, _ = json.Marshal(map[string]string{"error": err.Error()})
		}
		state[question] = answer
	}
	return state
}
