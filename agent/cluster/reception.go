package cluster

import (
	"errors"
	"net"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
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
		l.work.Go(func() { l.serve(conn) })
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
		l.opts.log().Warn("a connection to the port of the job's machines came to nothing", "from", conn.RemoteAddr().String(), "error", err)
		return
	}
	n, err := l.welcome(hello, k)
	if n == nil {
		return
	}
	defer l.detach(n, k)
	if err != nil {
		return
	}
	l.broadcast()
	for {
		m, err := k.receive()
		if err != nil {
			return
		}
		l.take(n, m)
	}
}

// closeWithUs closes a connection that has no node yet when the leader closes.
func (l *Leader) closeWithUs(conn net.Conn) (stop func()) {
	over := make(chan struct{})
	l.work.Go(func() {
		select {
		case <-l.done:
			_ = conn.Close()
		case <-over:
		}
	})
	return func() { close(over) }
}

// welcome attaches a member and says so, or why not; no node is a refusal. Nothing
// that is broadcast meanwhile comes before the welcome.
func (l *Leader) welcome(hello message, k *link) (*node, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, refused := l.attach(hello, k)
	if refused != "" {
		return nil, k.write(message{Refused: refused})
	}
	err := k.write(message{Run: l.run})
	k.timeout = l.opts.Timeout
	return n, err
}

// attach gives a member its place. A newcomer in the place of one that had come
// and whose link is gone is the proof that the earlier one is lost.
func (l *Leader) attach(hello message, k *link) (n *node, refused string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = l.nodes[hello.Rank]
	again := hello.Run == l.run
	switch {
	case n == nil:
		return nil, "this job has no such node"
	case hello.Run != "" && !again && !l.final():
		return nil, "this is another run of the job"
	case n.lost || l.over(), !again && (n.said.Ended || (l.state.Stop && !l.final())):
		return nil, "this run of the job is over"
	case !again && n.joined && n.link != nil:
		return nil, "another machine has this number"
	case !again && n.joined:
		l.lose(n)
		return nil, "this run of the job is over"
	}
	if n.link != nil {
		n.link.close()
	}
	if !n.joined {
		l.opts.log().Info("a machine of the job is here", "node", hello.Rank, "host", hello.Host)
	}
	n.link, n.joined, n.host, n.heard = k, true, hello.Host, time.Now()
	l.change()
	return n, ""
}

// final reports whether the verdict holds for every run of the job: a member that
// comes only now need not wait for a leader that nobody starts again, and one of
// a run whose leader was killed after its success hears of that. The lock is held.
func (l *Leader) final() bool {
	v := l.state.Verdict
	return v != nil && v.Exit != contract.ExitInfra && v.Exit != contract.ExitStopped
}

// over reports whether Close has begun; the lock is held.
func (l *Leader) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *Leader) detach(n *node, k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.link == k {
		n.link = nil
		l.change()
	}
}

// take reads what a member says.
func (l *Leader) take(n *node, m message) {
	if m.Event != nil && l.opts.OnEvent != nil {
		l.opts.OnEvent(n.rank, *m.Event)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n.heard = time.Now()
	if m.Member == nil || *m.Member == n.said {
		return
	}
	n.said = *m.Member
	l.change()
	if n.said.Failure != nil {
		l.tearLocked()
	}
}
