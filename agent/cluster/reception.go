package cluster

import (
	"errors"
	"net"
	"time"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// accept takes connections until Close.
func (l *Leader) accept() {
	for {
		conn, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files: it passes, or the members are lost
			l.opts.log().Warn("taking a connection of another node", "error", err)
			select {
			case <-l.done:
				return
			case <-time.After(time.Second):
				continue
			}
		}
		l.work.Go(crew.Guarded(func() { l.serve(conn) }))
	}
}

// serve is the life of one connection.
func (l *Leader) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	k := newLink(conn, min(handshakeTimeout, l.opts.Timeout))
	stop := l.closeWithUs(conn)
	hello, err := l.opts.greet(k)
	stop()
	if err != nil {
		l.strange.note(time.Now(), conn.RemoteAddr(), err)
		return
	}
	k.trust()
	n, err := l.welcome(hello, k)
	if n == nil {
		return
	}
	defer l.members.detach(n, k)
	if err != nil {
		return
	}
	l.broadcast()
	for {
		m, err := k.receive()
		if err != nil {
			return
		}
		l.members.take(n, m)
	}
}

// closeWithUs closes a connection that has no node yet when the leader closes.
func (l *Leader) closeWithUs(conn net.Conn) (stop func()) {
	over := make(chan struct{})
	l.work.Go(crew.Guarded(func() {
		select {
		case <-l.done:
			_ = conn.Close()
		case <-over:
		}
	}))
	return func() { close(over) }
}

// welcome attaches a member and says so, or why not; no node is a refusal. Nothing
// that is broadcast meanwhile comes before the welcome.
func (l *Leader) welcome(hello message, k *link) (*node, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, refused := l.members.attach(hello, k)
	if refused != "" {
		return nil, k.write(message{Refused: refused})
	}
	err := k.write(message{Run: l.members.run})
	k.timeout = l.opts.Timeout
	return n, err
}
