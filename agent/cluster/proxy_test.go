package cluster

import (
	"net"
	"sync"
	"testing"
)

// proxy stands between a leader and its members and misbehaves on request.
type proxy struct {
	leader   *Leader
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	target string
	conns  []net.Conn
	frozen bool
}

func newProxy(t *testing.T, l *Leader) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{leader: l, listener: listener, target: l.Addr().String()}
	p.work.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			p.pass(in)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.work.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) pass(in net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = in.Close()
		return
	}
	p.conns = append(p.conns, in, out)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		p.work.Go(func() {
			defer func() { _, _ = pair[0].Close(), pair[1].Close() }()
			buf := make([]byte, 4<<10)
			for {
				n, err := pair[0].Read(buf)
				if err != nil {
					return
				}
				if !p.isFrozen() {
					if _, err := pair[1].Write(buf[:n]); err != nil {
						return
					}
				}
			}
		})
	}
}

// cut breaks every connection; new ones are taken.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// freeze swallows every byte from now on, as a network that is cut does.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

func (p *proxy) isFrozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen
}

func (p *proxy) swap(l *Leader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leader, p.target = l, l.Addr().String()
}
