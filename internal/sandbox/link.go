package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// orders tell the stage what to do. They travel as JSON.
type orders struct {
	Root       string
	Args       []string
	Env        []string
	Dir        string
	Mounts     []Mount
	ReadOnly   bool
	OwnNetwork bool
	Listen     bool
	Labels     bool
}

// status is how the program ended, or why it could not be started.
type status struct {
	Error  string
	Code   int
	Signal int
}

// A link is the socket between us and the stage. Each message is one packet.
// It is also the stage's lifeline: when our end is closed, the stage ends.
type link struct{ conn *net.UnixConn }

// maxMessage is the longest packet, bytes; more than the kernel's default buffer does not pass anyway.
const maxMessage = 192 << 10

func newLink() (*link, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "stage")
	ours, err := openLink(pair[0])
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// openLink takes over the descriptor.
func openLink(fd int) (*link, error) {
	f := os.NewFile(uintptr(fd), "link")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("opening the link: %w", err)
	}
	return &link{conn.(*net.UnixConn)}, nil
}

func (l *link) close() { l.conn.Close() }

func (l *link) send(message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(data) > maxMessage {
		return fmt.Errorf("the sandbox's orders are too long: %d bytes", len(data))
	}
	_, err = l.conn.Write(data)
	return err
}

func (l *link) receive(message any) error {
	buf := make([]byte, maxMessage)
	n, err := l.conn.Read(buf)
	if err != nil {
		return err
	}
	return json.Unmarshal(buf[:n], message)
}

var errStageGone = errors.New("it ended before it could say how")

// sendListener passes a listening socket on; the stage made it inside its own network.
func (l *link) sendListener(listener *net.TCPListener) error {
	f, err := listener.File()
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, err = l.conn.WriteMsgUnix([]byte("listener"), unix.UnixRights(int(f.Fd())), nil)
	return err
}

// receiveFromStage returns what the stage says next: a listener, or the status that is its last word.
func (l *link) receiveFromStage() (net.Listener, status, error) {
	var s status
	buf, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	n, nOOB, _, _, err := l.conn.ReadMsgUnix(buf, oob)
	if err != nil || n == 0 {
		return nil, s, errStageGone
	}
	if nOOB == 0 {
		return nil, s, json.Unmarshal(buf[:n], &s)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:nOOB])
	if err != nil || len(messages) != 1 {
		return nil, s, errors.New("it sent no descriptor")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, s, err
	}
	f := os.NewFile(uintptr(fds[0]), "listener")
	defer f.Close()
	listener, err := net.FileListener(f)
	return listener, s, err
}
