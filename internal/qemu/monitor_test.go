package qemu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// fakeQEMU answers on conn what answer says for each line; an empty answer is none.
func fakeQEMU(conn net.Conn, answer func(line string) string) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if text := answer(lines.Text()); text != "" {
			io.WriteString(conn, text+"\n")
		}
	}
}

func TestExecute(t *testing.T) {
	ours, theirs := net.Pipe()
	go fakeQEMU(theirs, func(line string) string {
		switch {
		case strings.Contains(line, `"first"`):
			return `{"event":"RESET","data":{"guest":true}}` + "\n" + `{"return":{"n":1},"id":1}`
		case strings.Contains(line, `"wrong"`):
			return `not JSON` + "\n" + `{"error":{"class":"GenericError","desc":"no such thing"},"id":2}`
		}
		return ""
	})
	m := talk(ours)
	var got struct{ N int }
	if err := m.execute(context.Background(), "first", map[string]any{"a": 1}, &got); err != nil || got.N != 1 {
		t.Errorf("first: %+v, %v", got, err)
	}
	if e := <-m.events; e.Name != "RESET" || string(e.Data) != `{"guest":true}` {
		t.Errorf("event is %+v", e)
	}
	if err := m.execute(context.Background(), "wrong", nil, nil); err == nil || err.Error() != "asking QEMU for wrong: no such thing" {
		t.Errorf("wrong: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := m.execute(ctx, "silence", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
	if len(m.pending) != 0 {
		t.Errorf("%d commands are still pending", len(m.pending))
	}
	theirs.Close()
	if err := m.execute(context.Background(), "gone", nil, nil); !errors.Is(err, errGone) {
		t.Errorf("a command after the end: %v", err)
	}
	if _, open := <-m.events; open {
		t.Error("the events have no end")
	}
}

// A QEMU that floods us with events or endless lines takes no more memory than it should, and
// answers still arrive.
func TestFlood(t *testing.T) {
	ours, theirs := net.Pipe()
	m := talk(ours)
	go func() {
		for i := range 10_000 {
			fmt.Fprintf(theirs, `{"event":"E%d"}`+"\n", i)
		}
		fakeQEMU(theirs, func(string) string { return `{"return":{},"id":1}` })
	}()
	if err := m.execute(context.Background(), "anything", nil, nil); err != nil {
		t.Error(err)
	}
	ours.Close()
	<-m.gone
}

func FuzzMonitor(f *testing.F) {
	f.Add([]byte(`{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":22}}}}`))
	f.Add([]byte(`{"event":"STOP"}`))
	f.Add([]byte(`{"return":[{"device":"disk"}],"id":1}`))
	f.Add([]byte(`{"error":{"desc":""},"id":1}` + "\n{}\nnull\n[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := talk(struct {
			io.Reader
			io.Writer
			io.Closer
		}{strings.NewReader(string(text)), io.Discard, io.NopCloser(nil)})
		<-m.gone
		for range m.events {
		}
	})
}
