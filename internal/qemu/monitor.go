package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// An Event is something that QEMU tells of its own accord.
type Event struct {
	Name string          `json:"event"` // such as "RESET"
	Data json.RawMessage `json:"data"`
}

// errGone is what commands end with that QEMU did not answer any more.
var errGone = errors.New("QEMU has ended")

// maxMessage bounds one message of QEMU's, in bytes.
const maxMessage = 4 << 20

// A monitor is a QMP connection.
type monitor struct {
	conn   io.ReadWriteCloser
	hello  chan greeting // gets the greeting
	events chan Event    // closed with the connection
	gone   chan struct{} // closed with the connection

	mu      sync.Mutex
	next    int
	pending map[int]chan message
}

// message is any message that QEMU sends.
type message struct {
	Event
	ID      *int            `json:"id"`
	Return  json.RawMessage `json:"return"`
	Failure *failure        `json:"error"`
	Hello   *greeting       `json:"QMP"`
}

type failure struct {
	Class string `json:"class"`
	Text  string `json:"desc"`
}

type greeting struct {
	Version struct {
		QEMU struct{ Major, Minor, Micro int } `json:"qemu"`
	} `json:"version"`
}

func (g greeting) String() string {
	v := g.Version.QEMU
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro)
}

// talk reads what comes over conn until it ends.
func talk(conn io.ReadWriteCloser) *monitor {
	m := &monitor{
		conn:    conn,
		hello:   make(chan greeting, 1),
		events:  make(chan Event, 256),
		gone:    make(chan struct{}),
		pending: map[int]chan message{},
	}
	go m.read()
	return m
}

func (m *monitor) read() {
	defer close(m.gone)
	defer close(m.events)
	lines := bufio.NewScanner(m.conn)
	lines.Buffer(nil, maxMessage)
	for lines.Scan() {
		var msg message
		if json.Unmarshal(lines.Bytes(), &msg) == nil {
			m.take(msg)
		}
	}
}

func (m *monitor) take(msg message) {
	switch {
	case msg.Hello != nil:
		select {
		case m.hello <- *msg.Hello:
		default:
		}
	case msg.Name != "":
		select {
		case m.events <- msg.Event:
		default: // a guest that makes events by the hundred is known by the first ones
		}
	case msg.ID != nil:
		m.mu.Lock()
		answer := m.pending[*msg.ID]
		delete(m.pending, *msg.ID)
		m.mu.Unlock()
		if answer != nil {
			answer <- msg
		}
	}
}

// execute runs a command and decodes what it returns into result, unless that is nil.
func (m *monitor) execute(ctx context.Context, command string, arguments map[string]any, result any) error {
	answer := make(chan message, 1)
	m.mu.Lock()
	m.next++
	id := m.next
	m.pending[id] = answer
	text, err := json.Marshal(struct {
		Execute   string         `json:"execute"`
		Arguments map[string]any `json:"arguments,omitempty"`
		ID        int            `json:"id"`
	}{command, arguments, id})
	if err == nil {
		if _, failed := m.conn.Write(append(text, '\n')); failed != nil {
			err = errGone // which shows here before it shows to who reads
		}
	}
	m.mu.Unlock()
	if err == nil {
		err = m.await(ctx, answer, result)
	}
	if err != nil {
		m.mu.Lock()
		delete(m.pending, id)
		m.mu.Unlock()
		return fmt.Errorf("asking QEMU for %s: %w", command, err)
	}
	return nil
}

func (m *monitor) await(ctx context.Context, answer chan message, result any) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-m.gone:
		return errGone
	case msg := <-answer:
		if msg.Failure != nil {
			return errors.New(msg.Failure.Text)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(msg.Return, result)
	}
}
