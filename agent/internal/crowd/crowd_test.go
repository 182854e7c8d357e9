package crowd

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a network within the test, on the test's own clock.
type memory struct {
	dialled chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.dialled:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.closed) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

// from is a connection that comes from an address.
type from struct {
	net.Conn
	ip string
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.ip), Port: 1} }

// A port is a Listener and its clients.
type port struct {
	*Listener
	memory *memory
	t      *testing.T
}

// open runs a test in a bubble.
func open(t *testing.T, opts Options, do func(p *port)) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{dialled: make(chan net.Conn, 1), closed: make(chan struct{})}
		p := &port{New(m, opts), m, t}
		do(p)
		_ = p.Close()
	})
}

// visit connects and is taken.
func (p *port) visit(ip string) *Conn {
	p.t.Helper()
	here, there := net.Pipe()
	p.t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	p.memory.dialled <- from{there, ip}
	c, err := p.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	return c.(*Conn)
}

// there reports whether a connection is open.
func there(c *Conn) bool {
	err := c.SetReadDeadline(time.Now())
	return err == nil
}

func TestTheOldestStrangerMakesWay(t *testing.T) {
	var told []string
	open(t, Options{Strangers: 2, Crowded: func(a net.Addr) { told = append(told, a.String()) }}, func(p *port) {
		first, second, third := p.visit("10.0.0.1"), p.visit("10.0.0.2"), p.visit("10.0.0.3")
		if there(first) || !there(second) || !there(third) {
			t.Errorf("the oldest %v, the next %v, the newest %v", there(first), there(second), there(third))
		}
		if len(told) != 1 || told[0] != "10.0.0.1:1" {
			t.Errorf("told of %v", told)
		}
	})
}

func TestAStrangerHasItsPatienceAndTheNextWaitsForIt(t *testing.T) {
	open(t, Options{Strangers: 1, Patience: time.Second}, func(p *port) {
		began := time.Now()
		first := p.visit("10.0.0.1")
		time.Sleep(time.Second / 4)
		second := p.visit("10.0.0.2")
		if took := time.Since(began); took != time.Second || there(first) {
			t.Errorf("it made way after %v", took)
		}
		time.AfterFunc(time.Second/2, func() { _ = second.Close() })
		p.visit("10.0.0.3")
		if took := time.Since(began); took != 3*time.Second/2 {
			t.Errorf("the next came after %v, though the one before had left", took)
		}
	})
}

func TestNoStrangerDisplacesWhoWasLetIn(t *testing.T) {
	open(t, Options{Strangers: 1, Known: 1}, func(p *port) {
		known := p.visit("10.0.0.1")
		for range 2 { // each request of a connection says it again
			if !known.LetIn() {
				t.Fatal("it was not let in")
			}
		}
		for range 3 {
			p.visit("10.0.0.1")
		}
		if !there(known) {
			t.Error("it made way")
		}
		if p.visit("10.0.0.1").LetIn() {
			t.Error("one more was let in than there may be")
		}
		_ = known.Close()
		_ = known.Close()
		if next := p.visit("10.0.0.1"); !next.LetIn() || known.LetIn() {
			t.Error("its place is not the next one's")
		}
	})
}

func TestWhoHasMadeWayIsNotLetIn(t *testing.T) {
	open(t, Options{Strangers: 1, Known: 1}, func(p *port) {
		first := p.visit("10.0.0.1")
		p.visit("10.0.0.1")
		if first.LetIn() {
			t.Error("it was")
		}
	})
}

func TestAnAddressThatHasItsShareMakesWayForItself(t *testing.T) {
	open(t, Options{Strangers: 5, PerSource: 2}, func(p *port) {
		for _, same := range [][2]string{{"10.0.0.1", "10.0.0.1"}, {"fd00::1", "fd00::2"}} {
			other := p.visit("10.0.0.9")
			first, second := p.visit(same[0]), p.visit(same[1])
			for range 3 {
				p.visit(same[0])
			}
			if !there(other) || there(first) || there(second) {
				t.Errorf("%s: the other %v, its own %v and %v", same, there(other), there(first), there(second))
			}
			_ = other.Close()
		}
	})
}

func TestWhoWaitsForRoomHearsOfTheEnd(t *testing.T) {
	open(t, Options{Strangers: 1, Patience: time.Hour}, func(p *port) {
		p.visit("10.0.0.1")
		here, there := net.Pipe()
		defer here.Close() //nolint:errcheck // a pipe
		p.memory.dialled <- there
		time.AfterFunc(time.Second, func() { _ = p.Close() })
		if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it heard %v", err)
		}
		if _, err := here.Write([]byte("x")); err == nil {
			t.Error("the connection that waited is open")
		}
	})
}
