package outbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A memnet is a network in memory, so that a test in a synctest bubble has
// clients and servers whose waits pass in virtual time.
type memnet struct {
	conns chan net.Conn
	done  chan struct{}

	mu    sync.Mutex
	dials int
	down  bool
	stall chan struct{} // dialing waits for it to be closed, before it fails
	stuck int           // dials that wait like this
}

func newMemnet() *memnet {
	return &memnet{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (m *memnet) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// hang lets dialing wait for the channel.
func (m *memnet) hang(until chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stall = until
}

func (m *memnet) count(n *int, by int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	*n += by
	return *n
}

func (m *memnet) dialed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dials
}

func (m *memnet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	m.mu.Lock()
	m.dials++
	down, stall := m.down, m.stall
	m.mu.Unlock()
	if stall != nil {
		m.count(&m.stuck, +1)
		select {
		case <-stall:
		case <-ctx.Done():
		}
		m.count(&m.stuck, -1)
	}
	if down {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	select {
	case m.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memnet) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memnet) Close() error   { return nil }
func (m *memnet) Addr() net.Addr { return &net.IPAddr{} }

// transport is a client's side of the network.
func (m *memnet) transport() *http.Transport {
	return &http.Transport{DialContext: m.dial, IdleConnTimeout: 90 * time.Second}
}

// serve answers with the handler until the test ends.
func (m *memnet) serve(t *testing.T, h http.Handler) {
	srv := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(m) })
	t.Cleanup(func() {
		close(m.done)
		_ = srv.Close()
		wg.Wait()
	})
}

// A script is what a raw server does with one connection after it has read a
// request: write some bytes, and then hang, or close.
type script struct {
	write string
	hang  bool
}

// play serves one connection a script, and the last script for all that follow.
func (m *memnet) play(t *testing.T, scripts ...script) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			conn, err := m.Accept()
			if err != nil {
				return
			}
			s := scripts[min(n, len(scripts)-1)]
			wg.Go(func() {
				defer conn.Close()
				go func() { <-m.done; conn.Close() }()
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(conn, s.write)
				if s.hang {
					_, _ = io.Copy(io.Discard, conn) // until the client gives up
				}
			})
		}
	})
	t.Cleanup(func() { close(m.done); wg.Wait() })
}
