// Package crowd keeps a port open to those who have a right to it, whoever else holds
// connections there.
//
// A connection is a stranger's until somebody lets it in. It promises that among too
// many strangers the oldest makes way for the next, that no stranger displaces a
// connection which was let in, and that every stranger has its Patience to show who it is.
// It leaves to its caller how that is shown.
//
// A listener that lets the next connection wait instead can be held by whoever holds all
// of them and asks nothing; timeouts alone do not help, because such a client connects
// again.
package crowd

import (
	"net"
	"slices"
	"sync"
	"time"
)

// Options are the bounds of a Listener.
type Options struct {
	Strangers int // connections that nobody has let in
	PerSource int // of these from one address; 0 is no bound of its own
	Known     int // connections that were let in

	// Patience is the time a stranger has before it makes way. Meanwhile the next waits,
	// so that it is also the bound of how many are looked at: Strangers in a Patience.
	Patience time.Duration
	// Crowded hears of each stranger that makes way, and must be quick; nil hears nothing.
	Crowded func(from net.Addr)
}

// A Listener tells strangers from those who were let in.
type Listener struct {
	net.Listener
	opts   Options
	left   chan struct{} // a stranger is gone
	closed chan struct{}
	once   sync.Once

	mu        sync.Mutex
	strangers []*Conn // the oldest first
	known     int
}

// New bounds the connections of a listener. Its connections are all *Conn.
func New(inner net.Listener, opts Options) *Listener {
	return &Listener{Listener: inner, opts: opts, left: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Accept takes the next connection as soon as there is room for one more stranger.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: conn, of: l, source: sourceOf(conn.RemoteAddr())}
	for {
		oldest, wait := l.enter(c)
		if oldest != nil {
			_ = oldest.Conn.Close()
			if l.opts.Crowded != nil {
				l.opts.Crowded(oldest.RemoteAddr())
			}
		}
		if wait <= 0 {
			return c, nil
		}
		if !l.wait(wait) {
			_ = conn.Close()
			return nil, net.ErrClosed
		}
	}
}

// enter makes a connection one of the strangers. It returns who makes way, nil when
// nobody has to; or for how long the one that would has its Patience still.
func (l *Listener) enter(c *Conn) (oldest *Conn, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if oldest = l.inTheWay(c); oldest != nil {
		if wait = l.opts.Patience - time.Since(oldest.since); wait > 0 {
			return nil, wait
		}
		l.remove(oldest)
	}
	c.since = time.Now()
	l.strangers = append(l.strangers, c)
	return oldest, 0
}

// inTheWay is the stranger that has to go before c can come, nil when there is room. An
// address that has its share makes way for itself. The lock is held.
func (l *Listener) inTheWay(c *Conn) *Conn {
	var first *Conn
	same := 0
	for _, other := range l.strangers {
		if other.source != c.source {
			continue
		}
		if same++; same == 1 {
			first = other
		}
	}
	switch {
	case l.opts.PerSource > 0 && same >= l.opts.PerSource:
		return first
	case len(l.strangers) >= l.opts.Strangers:
		return l.strangers[0]
	}
	return nil
}

// remove takes a connection from the strangers, and reports whether it was one. The lock
// is held.
func (l *Listener) remove(c *Conn) bool {
	i := slices.Index(l.strangers, c)
	if i < 0 {
		return false
	}
	l.strangers = slices.Delete(l.strangers, i, i+1)
	return true
}

// wait returns when a stranger has left, or after d; false when the listener is closed.
func (l *Listener) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.left:
	case <-timer.C:
	case <-l.closed:
		return false
	}
	return true
}

// Close stops listening. Connections stay as they are.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
