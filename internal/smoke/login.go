package smoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Of the SSH server: how often it is asked for, and what it may take to answer.
const (
	knockEvery    = 300 * time.Millisecond
	bannerTimeout = 3 * time.Second
	loginTimeout  = 90 * time.Second // under TCG, on a busy host, it takes ten
)

// refusalPause is the time between two logins that the server refused. OpenSSH
// from 9.8 on answers a refused key with five seconds of penalty, and lets
// nobody in who has collected fifteen.
const refusalPause = 7 * time.Second

// login tries to log in until it succeeds or ctx ends.
//
// QEMU accepts connections for the guest at any time and then asks the guest,
// so that there is nothing that could be waited for but an answer.
func (a *attempt) login(ctx context.Context, key ssh.Signer) (*shell, error) {
	for refused := 0; ; {
		conn, err := a.knock(ctx)
		if err != nil {
			return nil, err
		}
		names := users(a.image, a.console.Facts())
		user := names[refused%len(names)]
		client, err := a.enter(ctx, conn, user, key)
		if err == nil {
			a.setDoor(doorOpen, user)
			return &shell{client: client, user: user}, nil
		}
		conn.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		pause := knockEvery
		if strings.Contains(err.Error(), "unable to authenticate") {
			pause = refusalPause
			if refused++; refused >= len(names) {
				a.setDoor(doorLocked, strings.Join(names, ", "))
				pause = max(pause, 2*a.limits.settle) // a guest that is asked all the time never comes to rest
			}
		}
		sleep(ctx, pause)
	}
}

// knock returns a connection to an SSH server that has begun to speak.
func (a *attempt) knock(ctx context.Context) (net.Conn, error) {
	for {
		conn, state, err := a.tryPort(ctx)
		if was, _ := a.door(); was < doorGuarded { // what has answered once is not gone because it is busy
			a.setDoor(state, "")
		}
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		sleep(ctx, knockEvery)
	}
}

func (a *attempt) tryPort(ctx context.Context) (net.Conn, door, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", a.guest.Port))
	if err != nil {
		return nil, doorSilent, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetReadDeadline(time.Now().Add(bannerTimeout))
	first := make([]byte, 1)
	_, err = io.ReadFull(conn, first)
	switch {
	case err == nil:
		conn.SetReadDeadline(time.Time{})
		return &unread{Conn: conn, first: first}, doorGuarded, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		conn.Close()
		return nil, doorSilent, err
	}
	conn.Close()
	return nil, doorClosed, err
}

// unread is a connection of which the first bytes were read too early.
type unread struct {
	net.Conn
	first []byte
}

func (u *unread) Read(p []byte) (int, error) {
	if len(u.first) > 0 {
		n := copy(p, u.first)
		u.first = u.first[n:]
		return n, nil
	}
	return u.Conn.Read(p)
}

// enter logs in over conn.
//
// The host key is not checked. It is made in the guest at its first boot, so there is
// nothing to check it against, and nobody can stand in between: the port is
// QEMU's own, on the loopback.
func (a *attempt) enter(ctx context.Context, conn net.Conn, user string, key ssh.Signer) (*ssh.Client, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(loginTimeout))
	c, channels, requests, err := ssh.NewClientConn(conn, "guest", &ssh.ClientConfig{
		User:            user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		ClientVersion:   "SSH-2.0-img-smoke",
	})
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// sleep waits, but not beyond ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
