package crowd

import (
	"net"
	"net/netip"
	"time"
)

// A Conn is one connection of a Listener.
type Conn struct {
	net.Conn
	of     *Listener
	source netip.Prefix
	since  time.Time // when it became one of the strangers
	known  bool      // under the Listener's lock
}

// LetIn takes the connection from the strangers, because it has shown who it is. It
// reports false, and changes nothing, when as many as there may be are let in already,
// or when this one has made way meanwhile.
func (c *Conn) LetIn() bool {
	l := c.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.known {
		return true
	}
	if l.known >= l.opts.Known || !l.remove(c) {
		return false
	}
	c.known = true
	l.known++
	l.leave()
	return true
}

// Close ends the connection. It may have made way already.
func (c *Conn) Close() error {
	l := c.of
	l.mu.Lock()
	if c.known {
		c.known = false
		l.known--
	} else if l.remove(c) {
		l.leave()
	}
	l.mu.Unlock()
	return c.Conn.Close()
}

// leave wakes who waits for room. The lock is held.
func (l *Listener) leave() {
	select {
	case l.left <- struct{}{}:
	default:
	}
}

// sourceOf is what counts as one address: of IPv6 the network, because a machine has as
// many addresses there as it likes. What is no address of the internet is all one.
func sourceOf(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits) // never too long
	return prefix
}
