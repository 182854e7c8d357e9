package telemetry

import (
	"net"
	"slices"
	"sync"
)

// A crowd is a listener with at most so many connections: the oldest makes way for the
// next. A listener that let the next wait would let whoever holds all of them, and does
// not ask, keep a probe from its answer; and a pod whose probe has none is killed.
type crowd struct {
	net.Listener
	limit int

	mu   sync.Mutex
	open []*guest // the oldest first
}

type guest struct {
	net.Conn
	of *crowd
}

// Accept takes the next connection at once.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{conn, c}
	if oldest := c.enter(g); oldest != nil {
		_ = oldest.Conn.Close()
	}
	return g, nil
}

// enter returns who makes way, nil when nobody has to.
func (c *crowd) enter(g *guest) (oldest *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, g)
	if len(c.open) > c.limit {
		oldest = c.open[0]
		c.open = slices.Delete(c.open, 0, 1)
	}
	return oldest
}

// Close ends the connection. It may have made way already.
func (g *guest) Close() error {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	g.of.open = slices.DeleteFunc(g.of.open, func(other *guest) bool { return other == g })
	return g.Conn.Close()
}
