package main

import (
	"net"
	"sync"
	"time"
)

// A timedListener measures on the server's side: from the first byte of a
// request to the last one of its answer. It takes one request a connection.
type timedListener struct {
	net.Listener
	mu    sync.Mutex
	times []float64 // milliseconds
}

func listen() (*timedListener, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	return &timedListener{Listener: l}, err
}

func (l *timedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &timedConn{Conn: c, to: l}, nil
}

// taken are the times after the first skip, sorted by nobody yet.
func (l *timedListener) taken(skip int) []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]float64(nil), l.times[min(skip, len(l.times)):]...)
}

type timedConn struct {
	net.Conn
	to          *timedListener
	mu          sync.Mutex
	first, last time.Time
	once        sync.Once
}

func (c *timedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && c.first.IsZero() {
		c.first = time.Now()
	}
	return n, err
}

func (c *timedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	return n, err
}

func (c *timedConn) Close() error {
	c.once.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.last.IsZero() {
			return
		}
		c.to.mu.Lock()
		defer c.to.mu.Unlock()
		c.to.times = append(c.to.times, float64(c.last.Sub(c.first))/float64(time.Millisecond))
	})
	return c.Conn.Close()
}
